"""All code that writes events."""
