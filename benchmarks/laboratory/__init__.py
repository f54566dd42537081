"""Experiments whose figures are in the documents: `python -m benchmarks.laboratory --help`."""
