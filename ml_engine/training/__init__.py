"""Training embedding networks of one's own, and adapting them to cameras. Serving never imports it.

`train.py` is the page to read; the modules beside it are its parts.
"""
