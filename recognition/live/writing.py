"""The thread that writes what waits, for the parts that must not let a frame wait for the database
or the disk."""

from __future__ import annotations

import logging
import threading
from abc import abstractmethod
from typing import Generic, TypeVar

from django.db import connections

from recognition.web.process import Part

logger = logging.getLogger(__name__)

# Connections are released after this time without anything to write.
_IDLE_S = 5.0

Entry = TypeVar("Entry")


class Writing(Part, Generic[Entry]):
    """One thread, started with the first entry.

    The subclass keeps what waits, guards it by `_changed`, and calls `_wake` within it for each new
    entry. name: of the thread. entries: what it writes, for the log.
    """

    def __init__(self, *, name: str, entries: str) -> None:
        self._name, self._entries = name, entries
        self._changed = threading.Condition()
        self._is_writing = self._is_stopped = False
        self._thread: threading.Thread | None = None

    @abstractmethod
    def _left(self) -> int:
        """Within `_changed`: how many entries wait."""

    @abstractmethod
    def _take(self) -> Entry | None:
        """Within `_changed`: remove the next entry; None if none waits."""

    @abstractmethod
    def _write(self, entry: Entry) -> float:
        """Write an entry, or put it back. Returns the seconds to wait before the next one."""

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything is written or given up; False if that took too long."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not self._left() and not self._is_writing, timeout_s
            )

    def stop(self, timeout_s: float) -> bool:
        """Write everything that waits, then end; False if something was left."""
        is_done = self.flush(timeout_s)
        with self._changed:
            self._is_stopped = True
            left = self._left()
            self._changed.notify_all()
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(1.0)
        if left:
            logger.error("%d %s were not written: no database or no room", left, self._entries)
        return is_done

    def _wake(self) -> None:
        if self._thread is None:
            self._is_stopped = False
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _run(self) -> None:
        while (entry := self._next()) is not None:
            pause_s = self._write(entry)
            with self._changed:
                self._is_writing = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._is_stopped, pause_s)
        connections.close_all()

    def _next(self) -> Entry | None:
        with self._changed:
            while not self._left() and not self._is_stopped:
                if not self._changed.wait(_IDLE_S):
                    connections.close_all()
            self._is_writing = not self._is_stopped
            return None if self._is_stopped else self._take()
