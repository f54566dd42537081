"""Limits on the number of streams in this process, in total and for each caller."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict

from recognition.web.process import Part, process


class TooMany(Exception):
    """The limit is reached; the message is for people."""


class StreamLimits:
    """Thread-safe count of open streams, by the name of the caller."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: Counter[str] = Counter()

    def enter(self, caller: str, *, most: int, most_per_caller: int) -> None:
        """Count one more, or raise TooMany."""
        with self._lock:
            if self._open[caller] >= most_per_caller:
                raise TooMany(f"You have {most_per_caller} of these open already.")
            if self._open.total() >= most:
                raise TooMany("The server has as many of these open as it takes.")
            self._open[caller] += 1

    def leave(self, caller: str) -> None:
        with self._lock:
            self._open[caller] -= 1
            # Forget callers without streams, so that the names do not accumulate.
            self._open += Counter()

    @property
    def total(self) -> int:
        return self._open.total()


class OpenStreams(Part):
    """The counts of this process, by kind."""

    def __init__(self) -> None:
        self._limits: defaultdict[str, StreamLimits] = defaultdict(StreamLimits)
        self._lock = threading.Lock()

    def of(self, kind: str) -> StreamLimits:
        with self._lock:
            return self._limits[kind]


def stream_limits(kind: str) -> StreamLimits:
    """The count of one kind of streams of this process."""
    return process().part(OpenStreams).of(kind)
