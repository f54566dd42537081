"""Recognition over time, with known truth: see `python -m benchmarks.visits --help`."""
