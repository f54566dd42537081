"""Everything that writes cameras, and who may stream or watch."""
