"""The newest frame of a stream, between its source and its session, and the stream's turn.

A source never waits, and nothing accumulates: a frame replaces the one before it. A stream waits
for its turn before it takes its frame, so it processes the newest one, and the stream that waited
longest is served next. Without turns, a frame of every stream would wait for the engine and be
outdated when its time comes.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ml_engine.runtime.threads import cpu_threads
from recognition.cameras.sources.base import Picture

# One frame for each core is in the engine; a second one is decoded, searched or answered meanwhile.
_FRAMES_A_CORE = 2
# Weight of a new sample of the stretch, when it rises and when it falls.
_WEIGHT_UP, _WEIGHT_DOWN = 0.7, 0.2
# A stretch above this is an overload: more than one frame in eight is lost.
_OVERLOADED = 1.15


@dataclass(frozen=True, slots=True)
class Frame:
    """number: from 0, in order of arrival."""

    number: int
    content: Picture
    arrived_s: float  # of time.monotonic


class FrameSlot:
    """Thread-safe. A frame that was not taken before the next one came is dropped and counted."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._next_number = 0
        self._dropped = 0
        self._is_closed = False

    def put(self, content: Picture) -> int:
        """Replace the waiting frame; returns the number of the new one."""
        with self._changed:
            number = self._number()
            if not self._is_closed:
                self._dropped += self._frame is not None
                self._frame = Frame(number, content, time.monotonic())
                self._changed.notify_all()
            return number

    def skip(self) -> int:
        """Count a frame that is refused; returns its number."""
        with self._changed:
            return self._number()

    def take(self, timeout_s: float) -> Frame | None:
        """The newest frame; None if none came in time, or the slot was closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._frame or self._is_closed, timeout_s)
            frame, self._frame = self._frame, None
            return frame

    def wait(self, timeout_s: float) -> bool:
        """True once a frame can be taken; False if none came in time, or the slot was closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._frame or self._is_closed, timeout_s)
            return self._frame is not None

    def close(self) -> None:
        """Drop the waiting frame, and accept no more."""
        with self._changed:
            self._is_closed = True
            self._frame = None
            self._changed.notify_all()

    def count_dropped(self) -> None:
        """Count a taken frame that could not be processed."""
        with self._changed:
            self._dropped += 1

    @property
    def dropped(self) -> int:
        """Number of frames that were not recognised, so far."""
        return self._dropped

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    def _number(self) -> int:
        number = self._next_number
        self._next_number += 1
        return number


class Turns:
    """At most `at_once` turns run at a time; None: two for each core. Thread-safe.

    First come, first served: after its turn a stream goes to the end of the queue, so all get
    equally many.
    """

    def __init__(self, at_once: int | None = None) -> None:
        self._lock = threading.Lock()
        self._free = at_once or _FRAMES_A_CORE * cpu_threads()
        self._line: deque[threading.Event] = deque()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for the turn and hold it within `with`."""
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
    """The load of one stream. stretch: number of frames that come for each one served; 1 while none
    is lost.

    Frames beyond the highest rate of a camera are left out on purpose and do not count.
    """

    stretch: float = 1.0

    @property
    def is_high(self) -> bool:
        return self.stretch > _OVERLOADED

    def note(self, *, lost: int, busy_s: float, gap_s: float) -> None:
        """Note a served frame: `lost` others were dropped during the `busy_s` seconds of waiting
        for the turn and having it. gap_s: least time between two wanted frames."""
        wanted = min(lost, busy_s / gap_s) if gap_s else lost
        rise = 1 + wanted - self.stretch
        self.stretch += rise * (_WEIGHT_UP if rise > 0 else _WEIGHT_DOWN)
