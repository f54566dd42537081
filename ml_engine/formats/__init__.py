"""Models of the user's own: read, checked, folded and converted, never run as they are.

Nothing of a file is executed before every operation or layer between its input and its output was
found on a list of allowed ones. All of it happens in a child process with limits (`isolation`).
"""

from ml_engine.formats.files import size_of
from ml_engine.formats.isolation import convert_file, inspect_file
from ml_engine.formats.wish import Wish, placeholder_values

__all__ = ["Wish", "convert_file", "inspect_file", "placeholder_values", "size_of"]
