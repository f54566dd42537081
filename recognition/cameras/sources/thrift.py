"""Decoding less of a camera whose pictures are lost because the machine has no time for them.

Decoding a picture of H.264 needs the ones before it, back to a key frame, so single pictures cannot
be left out. But the end of a group of pictures can: nothing needs it. Without this, every camera
that is added takes time from the pictures of all others, and gives none of its own for it.

A camera whose pictures are lost on a machine with time to spare is decoded whole: its pictures take
long one after the other, and with fewer of them fewer would be used.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

# The longest time without a picture, over which people are followed.
MOST_LEFT_OUT_S = 1.2
# Pictures count as lost if fewer than this part of the wanted ones was used.
_ENOUGH = 0.8
# How much more of the next group is decoded after one without losses, and the least part of one.
_MORE = 1.2
_LEAST = 0.1
# Shorter groups are decoded whole: there is nothing to be gained.
_SHORT_S = 0.5
# The machine has no time to spare if less than this part of its cores was idle.
_IDLE_PART = 0.1
_LOOK_EVERY_S = 1.0
_STAT = Path("/proc/stat")


class Cores:
    """The cores of this machine, for all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: tuple[float, float] | None = None  # time, and seconds that cores were idle
        self._are_taken = False

    def are_taken(self) -> bool:
        """Whether hardly any time of them was left in the last second or more; False if the system
        does not tell."""
        with self._lock:
            now_s = time.monotonic()
            if self._last is None or now_s - self._last[0] >= _LOOK_EVERY_S:
                self._look(now_s)
            return self._are_taken

    def _look(self, now_s: float) -> None:
        idle_s = _idle_s()
        if self._last is not None:
            at_s, before_s = self._last
            all_s = (now_s - at_s) * (os.cpu_count() or 1)
            self._are_taken = idle_s - before_s < _IDLE_PART * all_s
        self._last = now_s, idle_s


def _idle_s() -> float:
    """For how long cores of this machine had nothing to do, since it started; infinite if the
    system does not tell."""
    try:
        words = _STAT.read_text().split(maxsplit=6)
    except OSError:
        return math.inf
    return (int(words[4]) + int(words[5])) / os.sysconf("SC_CLK_TCK")


CORES = Cores()


class Thrift:
    """Of one camera, for the thread that decodes it. max_fps: how many pictures are wanted.
    is_needed: is the machine short of time?"""

    def __init__(self, max_fps: float, is_needed: Callable[[], bool] = CORES.are_taken) -> None:
        self._max_fps = max_fps
        self._is_needed = is_needed
        self._given = self._used = 0  # pictures of the present group
        self._began_s = self._last_s = -math.inf  # of the group, and of its last decoded packet
        self._part = 1.0  # of a group that is decoded
        self._until_s = math.inf
        self.is_skipping = False

    def wants(self, now_s: float, *, is_key: bool) -> bool:
        """Whether the packet that came now is to be decoded."""
        if is_key:
            self._begin(now_s)
        self.is_skipping = now_s >= self._until_s
        if not self.is_skipping:
            self._last_s = now_s
        return not self.is_skipping

    def give(self) -> Callable[[], None]:
        """Note a picture that is handed over. Returns what is to be called once it is used, in any
        thread, any number of times."""
        self._given += 1
        uses = iter([1])

        def used() -> None:
            self._used += next(uses, 0)

        return used

    def _begin(self, now_s: float) -> None:
        """A group begins, which will most likely be as long as the last one."""
        group_s = now_s - self._began_s
        if self._given:
            self._part = self._next_part()
        self._given = self._used = 0
        self._began_s, self._until_s = now_s, math.inf
        if self._part < 1 and _SHORT_S <= group_s < math.inf:
            left_out_s = min((1 - self._part) * group_s, MOST_LEFT_OUT_S)
            self._until_s = now_s + group_s - left_out_s

    def _next_part(self) -> float:
        wanted = min(self._given, (self._last_s - self._began_s) * self._max_fps)
        if self._used >= _ENOUGH * wanted or not self._is_needed():
            return min(1.0, self._part * _MORE)
        return max(_LEAST, self._part * self._used / wanted)
