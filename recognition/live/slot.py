"""From a source to its session: the one newest frame of a stream, and the stream's turn.

A source never waits, and nothing piles up: a frame replaces the one before it. A stream stands in
line before it takes its frame, so it works on the newest one, and the stream that waited longest is
served next. Without a line, as many frames as there are streams would wait for the engine, each
older than the one that its camera shows by then.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ml_engine.runtime.threads import cpu_threads
from ml_engine.types import Image

# One frame a core is in the engine; another one is decoded, searched for or told meanwhile.
_FRAMES_A_CORE = 2
# Of a new sample of the stretch, when it rises and when it falls.
_WEIGHT_UP, _WEIGHT_DOWN = 0.7, 0.2
# A stretch above this is an overload: more than one frame in eight is lost.
_OVERLOADED = 1.15


@dataclass(frozen=True, slots=True)
class Frame:
    """number: from 0, in order of arrival. content: an encoded picture, or a decoded one."""

    number: int
    content: bytes | Image
    arrived_s: float  # of time.monotonic


class FrameSlot:
    """Thread-safe. A frame that nobody took before the next one came is dropped and counted."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._next_number = 0
        self._dropped = 0
        self._is_closed = False

    def put(self, content: bytes | Image) -> int:
        """Replace the frame that waits; returns the new one's number."""
        with self._changed:
            number = self._number()
            if not self._is_closed:
                self._dropped += self._frame is not None
                self._frame = Frame(number, content, time.monotonic())
                self._changed.notify_all()
            return number

    def skip(self) -> int:
        """Count a frame that is not taken in; returns its number."""
        with self._changed:
            return self._number()

    def take(self, timeout_s: float) -> Frame | None:
        """The newest frame; None where none came in time, or the slot was closed."""
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
        """Let go of the frame that waits, and take none any more."""
        with self._changed:
            self._is_closed = True
            self._frame = None
            self._changed.notify_all()

    def count_dropped(self) -> None:
        """A frame that was taken could not be worked on."""
        with self._changed:
            self._dropped += 1

    @property
    def dropped(self) -> int:
        """Frames that nobody looked at, so far."""
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

    First come, first served: a stream that had its turn stands at the end of the line again, so all
    get as many.
    """

    def __init__(self, at_once: int | None = None) -> None:
        self._lock = threading.Lock()
        self._free = at_once or _FRAMES_A_CORE * cpu_threads()
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

    @property
    def is_high(self) -> bool:
        return self.stretch > _OVERLOADED

    def note(self, *, lost: int, busy_s: float, gap_s: float) -> None:
        """A frame was served: `lost` others came and went during the `busy_s` seconds that it
        waited for its turn and had it. gap_s: least time between two frames that are wanted."""
        wanted = min(lost, busy_s / gap_s) if gap_s else lost
        rise = 1 + wanted - self.stretch
        self.stretch += rise * (_WEIGHT_UP if rise > 0 else _WEIGHT_DOWN)
