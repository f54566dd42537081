"""What others are told: notices as rows, and how they reach pages and webhooks."""
