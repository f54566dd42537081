"""Cameras: their rows, who may stream or watch, and the demo."""
