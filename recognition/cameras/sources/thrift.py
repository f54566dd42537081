"""Decoding less of a camera whose pictures this machine cannot recognise as fast as they come.

Decoding a picture of H.264 needs the ones before it, back to a key frame, so single pictures cannot
be left out. But the end of a group of pictures can: nothing needs it. Without this, every camera
that is added takes time from the pictures of all others, and gives none of its own for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

# The longest time without a picture, over which people are followed; twice as long if only half of
# the pictures can be used, and so on.
MOST_LEFT_OUT_S = 0.7
# Pictures count as lost if fewer than this part of the wanted ones was used.
_ENOUGH = 0.8
# How much more of the next group is decoded after one without losses, and the least part of one.
_MORE = 1.2
_LEAST = 0.1
# Shorter groups are decoded whole: there is nothing to be gained.
_SHORT_S = 0.5


class Thrift:
    """Of one camera, for the thread that decodes it. max_fps: how many pictures are wanted."""

    def __init__(self, max_fps: float) -> None:
        self._max_fps = max_fps
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
            left_out_s = min((1 - self._part) * group_s, MOST_LEFT_OUT_S / self._part)
            self._until_s = now_s + group_s - left_out_s

    def _next_part(self) -> float:
        wanted = min(self._given, (self._last_s - self._began_s) * self._max_fps)
        if self._used >= _ENOUGH * wanted:
            return min(1.0, self._part * _MORE)
        return max(_LEAST, self._part * self._used / wanted)
