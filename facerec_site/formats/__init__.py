"""Formats of dates and times, one package for each language."""
