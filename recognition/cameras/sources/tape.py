"""The newest packets of a camera, and the clips that are cut from them.

A tape keeps whole groups of pictures, each from its key frame on. It is bounded by seconds and by
bytes, and holds one format: if the camera changes its codec or size, or its clock jumps, the tape
begins anew.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from uuid import UUID

from recognition.cameras.sources.packets import TICKS_PER_S, VideoPacket

MOST_BYTES = 16 * 2**20
MOST_CLIP_BYTES = 24 * 2**20
# A visit becomes an event some seconds after it began.
KNOWN_WITHIN_S = 10.0
_JUMP_TICKS = 10 * TICKS_PER_S


@dataclass(slots=True, eq=False)
class Cut:
    """The packets of one clip, which begins at a key frame. Empty if there was none."""

    clip_id: UUID
    started_s: float
    ends_s: float
    packets: list[VideoPacket] = field(default_factory=list)
    bytes: int = 0

    def add(self, packet: VideoPacket) -> None:
        if packet.at_s <= self.ends_s and (self.packets or packet.is_key):
            self.packets.append(packet)
            self.bytes += len(packet.data)

    def is_over(self, now_s: float) -> bool:
        return now_s >= self.ends_s or self.bytes > MOST_CLIP_BYTES

    def shows_its_start(self) -> bool:
        return bool(self.packets) and self.packets[-1].at_s >= self.started_s

    def restart(self) -> None:
        self.packets, self.bytes = [], 0


@dataclass(slots=True)
class _Group:
    packets: list[VideoPacket]
    bytes: int = 0

    @property
    def begins_s(self) -> float:
        return self.packets[0].at_s


class Tape:
    """Thread-safe. done: called once with each cut that was wanted; must not wait."""

    def __init__(self, before_s: float, after_s: float, done: Callable[[Cut], None]) -> None:
        self._before_s = before_s
        self._after_s = after_s
        self._done = done
        self._lock = threading.Lock()
        self._groups: deque[_Group] = deque()
        self._bytes = 0
        self._last: VideoPacket | None = None
        self._cuts: list[Cut] = []
        self._is_closed = False

    def add(self, packet: VideoPacket) -> None:
        with self._lock:
            over = self._break() if self._is_broken_by(packet) else []
            self._last = packet
            self._keep(packet)
            for cut in self._cuts:
                cut.add(packet)
            over += [cut for cut in self._cuts if cut.is_over(packet.at_s)]
            self._cuts = [cut for cut in self._cuts if cut not in over]
        self._finish(over)

    def want(self, clip_id: UUID, started_s: float) -> None:
        """Cut a clip of a visit that began at this time, as by `time.time`: what is on the tape,
        and what comes until its end."""
        cut = Cut(clip_id, started_s, started_s + self._after_s)
        with self._lock:
            for packet in self._since(started_s - self._before_s):
                cut.add(packet)
            is_over = self._is_closed or (self._last and cut.is_over(self._last.at_s))
            if not is_over:
                self._cuts.append(cut)
        if is_over:
            self._finish([cut])

    def extend(self, clip_id: UUID, ends_s: float) -> bool:
        """Let a cut end later, as by `time.time`. False if it is over."""
        with self._lock:
            cut = next((cut for cut in self._cuts if cut.clip_id == clip_id), None)
            if cut is not None:
                cut.ends_s = max(cut.ends_s, ends_s)
            return cut is not None

    def close(self) -> None:
        """No more packets come: clips end here."""
        with self._lock:
            self._is_closed = True
            over, self._cuts = self._cuts, []
            self._groups.clear()
        self._finish(over)

    def _finish(self, cuts: list[Cut]) -> None:
        for cut in cuts:
            self._done(cut)

    def _is_broken_by(self, packet: VideoPacket) -> bool:
        last = self._last
        if last is None:
            return False
        return packet.format != last.format or not 0 <= packet.dts - last.dts <= _JUMP_TICKS

    def _break(self) -> list[Cut]:
        """Begin anew. Returns the cuts that end here; others get their pictures from now on."""
        self._groups.clear()
        self._bytes = 0
        over = [cut for cut in self._cuts if cut.shows_its_start()]
        self._cuts = [cut for cut in self._cuts if cut not in over]
        for cut in self._cuts:
            cut.restart()
        return over

    def _keep(self, packet: VideoPacket) -> None:
        if packet.is_key:
            self._groups.append(_Group([]))
        if not self._groups:
            return
        group = self._groups[-1]
        group.packets.append(packet)
        group.bytes += len(packet.data)
        self._bytes += len(packet.data)
        while self._has_too_much(packet.at_s):
            self._bytes -= self._groups.popleft().bytes

    def _has_too_much(self, now_s: float) -> bool:
        """True if the first group is not needed. A group without an end goes, too: the tape is
        empty until the next key frame."""
        if self._bytes > MOST_BYTES:
            return True
        oldest_s = now_s - self._before_s - KNOWN_WITHIN_S
        return len(self._groups) > 1 and self._groups[1].begins_s <= oldest_s

    def _since(self, begins_s: float) -> Iterator[VideoPacket]:
        """From the last key frame before this time on."""
        groups = list(self._groups)
        while len(groups) > 1 and groups[1].begins_s <= begins_s:
            groups.pop(0)
        for group in groups:
            yield from group.packets
