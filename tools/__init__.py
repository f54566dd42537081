"""Code of the make targets: system packages, the virtual environment, private servers, starting the
site and running the tests.

`prepare`, `system` and `messages` run before anything is installed. So they use only the standard
library, and must run on an old Python at least until they can say that it is too old.
"""
