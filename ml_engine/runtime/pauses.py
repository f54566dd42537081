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
    give_way: Callable[[], None] = staticmethod(_nothing)


_of_thread = _OfThread()


@contextmanager
def working(*, until: float = math.inf, give_way: Callable[[], None] = _nothing) -> Iterator[None]:
    """Within `with`, `pause` raises from the time `until` on, by time.perf_counter(), and calls
    `give_way`."""
    before = _of_thread.expires_at, _of_thread.give_way
    _of_thread.expires_at, _of_thread.give_way = until, give_way
    try:
        yield
    finally:
        _of_thread.expires_at, _of_thread.give_way = before


def pause() -> None:
    """Between two parts. DeadlineExceeded if the answer would come too late for every caller."""
    if time.perf_counter() >= _of_thread.expires_at:
        raise DeadlineExceeded
    _of_thread.give_way()
