"""Who is inside: a door that can be shut behind those who came in."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ml_engine.types import EngineClosed


class Gate:
    """Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._is_shut = False

    @property
    def inside(self) -> int:
        """Calls that came in and did not leave yet."""
        return self._inside

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Be inside; EngineClosed where the gate was shut."""
        with self._changed:
            if self._is_shut:
                raise EngineClosed("The engine is closed.")
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    def shut(self, wait_s: float) -> bool:
        """Let nobody in any more; True when all have left, False when that took too long."""
        deadline = time.monotonic() + wait_s
        with self._changed:
            self._is_shut = True
            while self._inside:
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
        return True
