"""Experiments behind figures of the documents: `python -m benchmarks.laboratory --help`."""
