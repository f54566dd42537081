"""The deadline of the work that a thread is at: what takes long asks for it between its parts."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ml_engine.types import DeadlineExceeded


class _OfThread(threading.local):
    expires_at = math.inf


_of_thread = _OfThread()


@contextmanager
def working_until(expires_at: float) -> Iterator[None]:
    """Within `with`, `check_deadline` raises from then on, by time.perf_counter()."""
    before, _of_thread.expires_at = _of_thread.expires_at, expires_at
    try:
        yield
    finally:
        _of_thread.expires_at = before


def check_deadline() -> None:
    """DeadlineExceeded if the answer would come too late for every caller."""
    if time.perf_counter() >= _of_thread.expires_at:
        raise DeadlineExceeded
