"""Freed memory, back to the system."""

from __future__ import annotations

import ctypes
import sys


def give_back() -> None:
    """Hand free pages of C's heap back. Some milliseconds.

    glibc keeps freed memory, and after the first large buffer (that of a network for one size of
    picture has 10 to 30 MB) it takes large buffers from there, too, and they leave holes. With
    pictures of many sizes an engine held 300 MB and used 200. Lowering the size from which buffers
    lie outside of that heap would do the same, but took 15 % longer on large pictures.
    """
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)
