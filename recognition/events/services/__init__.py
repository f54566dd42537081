"""Everything that writes events."""
