"""A counter of running calls that can be shut: no new call enters, running ones finish."""

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
        """Running calls."""
        return self._inside

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Count one call; EngineClosed if the gate is shut."""
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
        """Admit no more calls. True when all have ended, False if that took too long."""
        deadline = time.monotonic() + wait_s
        with self._changed:
            self._is_shut = True
            while self._inside:
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
        return True
