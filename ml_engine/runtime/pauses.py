"""What a thread does between two parts of a long piece of work.

It gives up if the answer would come too late for every caller, and lets short work of others go
first. Whatever takes long calls `pause` between its parts.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ml_engine.types import DeadlineExceeded


def _nothing() -> None:
    pass


class _OfThread(threading.local):
    expires_at = math.inf
    is_shared = False
    give_way: Callable[[], None] = staticmethod(_nothing)


_of_thread = _OfThread()


@contextmanager
def working(
    *, until: float = math.inf, give_way: Callable[[], None] = _nothing, is_shared: bool = False
) -> Iterator[None]:
    """Within `with`, `pause` raises from the time `until` on, by time.perf_counter(), and calls
    `give_way`. is_shared: other callers work or wait meanwhile."""
    before = _of_thread.expires_at, _of_thread.give_way, _of_thread.is_shared
    _of_thread.expires_at, _of_thread.give_way, _of_thread.is_shared = until, give_way, is_shared
    try:
        yield
    finally:
        _of_thread.expires_at, _of_thread.give_way, _of_thread.is_shared = before


def is_shared() -> bool:
    """True if other callers need the cores, too."""
    return _of_thread.is_shared


def pause() -> None:
    """Between two parts. DeadlineExceeded if the answer would come too late for every caller."""
    if time.perf_counter() >= _of_thread.expires_at:
        raise DeadlineExceeded
    _of_thread.give_way()
