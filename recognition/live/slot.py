"""The one newest frame of a stream: whoever brings frames never waits, and nothing piles up."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from ml_engine.types import Image


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
