"""Streams take turns when more frames come than the engine can take.

A stream stands in line before it takes its frame, so what it works on then is the newest one, and
the stream that waited longest is served next. Without a line, as many frames as there are streams
wait for the engine, each of them older than the one that its camera shows by then.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ml_engine.runtime.threads import cpu_threads

# One frame a core is in the engine; another one is decoded, searched for or told meanwhile.
_FRAMES_A_CORE = 2
# Of a new sample of the stretch, when it rises and when it falls.
_WEIGHT_UP, _WEIGHT_DOWN = 0.7, 0.2
# A stretch above this is an overload: more than one frame in eight is lost.
OVERLOADED = 1.15


class Turns:
    """At most `at_once` turns run at a time. Thread-safe, first come, first served: a stream that
    had its turn stands at the end of the line again, so all get as many."""

    def __init__(self, at_once: int) -> None:
        self._lock = threading.Lock()
        self._free = at_once
        self._line: deque[threading.Event] = deque()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for the turn, and have it."""
        self._enter()
        try:
            yield
        finally:
            self._leave()

    def _enter(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            mine = threading.Event()
            self._line.append(mine)
        mine.wait()

    def _leave(self) -> None:
        with self._lock:
            if self._line:
                self._line.popleft().set()
            else:
                self._free += 1


@dataclass(slots=True)
class Load:
    """Of one stream. stretch: frames that come for each one that is served; 1 while none is lost.

    Frames beyond the highest rate of a camera are left out on purpose and do not count.
    """

    stretch: float = 1.0

    def note(self, *, lost: int, busy_s: float, gap_s: float) -> None:
        """A frame was served: `lost` others came and went during the `busy_s` seconds that it
        waited for its turn and had it. gap_s: least time between two frames that are wanted."""
        wanted = min(lost, busy_s / gap_s) if gap_s else lost
        rise = 1 + wanted - self.stretch
        self.stretch += rise * (_WEIGHT_UP if rise > 0 else _WEIGHT_DOWN)


# Of this process: all streams share its engine.
turns = Turns(_FRAMES_A_CORE * cpu_threads())
