"""Measuring the engine, one command each: `python -m ml_engine.evaluation --help`."""
