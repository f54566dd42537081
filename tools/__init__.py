"""What the make targets run: system packages, the virtual environment, private servers, start and
test run.

`prepare`, `system` and `messages` run before anything is installed: with the standard library
alone, and far enough on an old Python to say that it is too old.
"""
