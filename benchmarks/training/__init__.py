"""What training and adaptation give: the figures of docs/training.md."""
