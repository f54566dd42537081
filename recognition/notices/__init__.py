"""Notices: rows that tell others what happened, and how they reach pages and webhooks."""
