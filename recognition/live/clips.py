"""Clips of visits: cut from the tapes of the cameras that this process plays, and written by one
thread, so that neither a camera nor a frame waits for the disk.

A clip waits here for the row of its event, which is written by another thread. What waits is
bounded: while the disk is too slow or full, clips are lost, with the reason at their events.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import InterfaceError, OperationalError, connections
from django.utils import timezone

from recognition.cameras.models import Camera
from recognition.cameras.mp4 import Unplayable
from recognition.cameras.sources.packets import VideoPacket
from recognition.cameras.sources.tape import KNOWN_WITHIN_S, Cut, Tape
from recognition.events.services.clips import ClipWanted, clip_lose, clip_store
from recognition.live.writing import Writing
from recognition.web.errors import ServiceError
from recognition.web.identifiers import uuid7
from recognition.web.process import process
from recognition.web.storage import problem_of

logger = logging.getLogger(__name__)

MOST_WAITING_BYTES = 96 * 2**20
MOST_WAITING = 300
_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 10.0
# An event that has no row for so long, while the database answers, was deleted or is never written.
_ROW_WITHIN_S = 60.0
# A clip is given up if the database is away for so long.
_WRITTEN_WITHIN_S = 600.0
_TOO_SLOW = "The server's disk or database was too slow to write it."


@dataclass(slots=True, eq=False)
class _Waiting:
    """A clip without packets, or with the reason why it was lost."""

    clip_id: UUID
    packets: list[VideoPacket]
    bytes: int
    since_s: float
    no_row_since_s: float | None = None
    lost: str = ""

    def lose(self, reason: str) -> None:
        self.packets, self.lost = [], reason


@dataclass(slots=True)
class _Newest:
    """The newest clip of a stream. last_start: a visit that begins later gets another one.
    shown_until: its last picture; None while it is recorded, or if it was lost."""

    wanted: ClipWanted
    last_start: datetime
    shown_until: datetime | None = None


@dataclass(slots=True)
class _Source:
    """A stream whose visits get clips of this tape."""

    camera: Camera
    tape: Tape
    newest: _Newest | None = None

    @property
    def after(self) -> timedelta:
        return timedelta(seconds=self.camera.clip_after_s)

    def shared(self, started_at: datetime) -> ClipWanted | None:
        """The newest clip, if the visit began within it. It is lengthened to its usual time after
        the visit; one that has ended must show half of that."""
        newest = self.newest
        if newest is None or not newest.wanted.begins_at <= started_at <= newest.last_start:
            return None
        ends_at = max(newest.wanted.ends_at, started_at + self.after)
        if self.tape.extend(newest.wanted.id, ends_at.timestamp()):
            newest.wanted = replace(newest.wanted, ends_at=ends_at)
            return newest.wanted
        shown_until = newest.shown_until
        is_shown = shown_until is not None and started_at + self.after / 2 <= shown_until
        return replace(newest.wanted, is_cut=True) if is_shown else None

    def fresh(self, started_at: datetime) -> ClipWanted:
        before = timedelta(seconds=self.camera.clip_before_s)
        wanted = ClipWanted(uuid7(), started_at - before, started_at + self.after)
        self.newest = _Newest(wanted, last_start=wanted.ends_at)
        self.tape.want(wanted.id, started_at.timestamp())
        return wanted


class Clips(Writing[_Waiting]):
    """Thread-safe; only the writer waits for disk and database."""

    # Less than that of visits: a clip may be lost.
    kept_s = 0.5

    def __init__(self) -> None:
        super().__init__(name="clip-writer", entries="clips")
        self._sources: dict[UUID, _Source] = {}
        self._waiting: deque[_Waiting] = deque()
        self._bytes = 0
        self._pause_s = _PAUSE_S

    def tape(self, camera: Camera) -> Tape | None:
        """A new tape for a camera; None if it keeps no clips."""
        if not camera.has_clips:
            return None
        return Tape(camera.clip_before_s, camera.clip_after_s, self._cut)

    @contextmanager
    def of_stream(self, stream_id: UUID, camera: Camera, tape: Tape | None) -> Iterator[None]:
        """The visits of this stream get clips of this tape, which ends with `with`."""
        if tape is None:
            yield
            return
        with self._changed:
            self._sources[stream_id] = _Source(camera, tape)
        try:
            yield
        finally:
            with self._changed:
                del self._sources[stream_id]
            tape.close()

    def want(self, stream_id: UUID, started_at: datetime) -> ClipWanted | None:
        """The clip of a visit that began at this time; None if the stream has none. Visits that
        begin together share one. Call it in the thread of the stream."""
        with self._changed:
            source = self._sources.get(stream_id)
        if source is None:
            return None
        # A face may be in view for long before it can be recognised, and the tape goes back no
        # further. Then the clip shows how it was recognised.
        started_at = max(started_at, timezone.now() - timedelta(seconds=KNOWN_WITHIN_S))
        return source.shared(started_at) or source.fresh(started_at)

    def _cut(self, cut: Cut) -> None:
        """Called by a tape: the clip is complete."""
        waiting = _Waiting(cut.clip_id, cut.packets, cut.bytes, time.monotonic())
        with self._changed:
            if len(self._waiting) >= MOST_WAITING:
                logger.error("a clip was lost: too many wait for the database")
                return
            if self._bytes + cut.bytes > MOST_WAITING_BYTES:
                waiting.lose(_TOO_SLOW)
                waiting.bytes = 0
            self._note_end(waiting)
            self._bytes += waiting.bytes
            self._waiting.append(waiting)
            self._wake()

    def _note_end(self, waiting: _Waiting) -> None:
        for source in self._sources.values():
            newest = source.newest
            if newest is not None and newest.wanted.id == waiting.clip_id and waiting.packets:
                newest.shown_until = datetime.fromtimestamp(waiting.packets[-1].at_s, UTC)

    def _left(self) -> int:
        return len(self._waiting)

    def _take(self) -> _Waiting | None:
        return self._waiting.popleft() if self._waiting else None

    def _write(self, entry: _Waiting) -> float:
        is_over = self._is_over(entry)
        with self._changed:
            if is_over or not entry.packets:
                self._bytes -= entry.bytes
                entry.bytes = 0
            if is_over:
                return 0.0
            self._waiting.append(entry)
            return self._pause_s

    def _is_over(self, waiting: _Waiting) -> bool:
        """False if it must be tried again: its event has no row yet, or the database is away."""
        try:
            is_over = _stored(waiting)
        except Exception as error:
            if not (isinstance(error, OperationalError | InterfaceError) or problem_of(error)):
                logger.exception("the reason why a clip was lost is not written")
                return True
            logger.warning("clips wait for the database: %s", error)
            connections.close_all()
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
            return time.monotonic() - waiting.since_s > _WRITTEN_WITHIN_S
        self._pause_s = _PAUSE_S
        now_s = time.monotonic()
        waiting.no_row_since_s = waiting.no_row_since_s or now_s
        return is_over or now_s - waiting.no_row_since_s > _ROW_WITHIN_S


def _stored(waiting: _Waiting) -> bool:
    """Write the file, or the reason why there is none. False if the event has no row yet."""
    if not waiting.lost:
        try:
            return clip_store(clip_id=waiting.clip_id, packets=waiting.packets)
        except Unplayable as error:
            waiting.lose(str(error))
        except ServiceError as error:
            waiting.lose(error.message)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            logger.exception("a clip failed")
            waiting.lose("It could not be written; see the server's log.")
        logger.warning("a clip was lost: %s", waiting.lost)
    return clip_lose(clip_id=waiting.clip_id, message=waiting.lost)


def clips() -> Clips:
    """The clips of this process."""
    return process().part(Clips)
