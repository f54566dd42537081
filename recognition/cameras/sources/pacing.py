"""When the frame of a video is due, if the video comes faster than it is to be played."""

from __future__ import annotations

import threading
import time

# If playing is later than this, restart the clock instead of catching up; if a frame lies further
# ahead, its clock has jumped.
_FAR_BEHIND_S = 2.0
_FAR_AHEAD_S = 5.0


class Pace:
    """The time when a frame is due; it goes on from one round of a loop to the next."""

    def __init__(self, stopped: threading.Event) -> None:
        self._stopped = stopped
        self._next_s = time.monotonic()

    def begin(self, at_s: float = 0.0) -> None:
        """A new round: its first frame, at `at_s`, is due after the last one before it."""
        self._first_s = self._next_s - at_s

    def wait(self, at_s: float) -> bool:
        """Wait for the frame at `at_s` seconds; False if it was stopped."""
        now = time.monotonic()
        due_s = self._first_s + at_s
        if not now - _FAR_BEHIND_S <= due_s <= now + _FAR_AHEAD_S:
            self._first_s += now - due_s
            due_s = now
        self._next_s = due_s
        return not self._stopped.wait(max(0.0, due_s - now))
