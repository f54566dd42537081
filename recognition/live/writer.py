"""Writes visits into the database in one thread of the process, so that no frame waits for it.

Only the newest state of each visit waits, so the memory depends on the number of visits and not on
the length of an outage. While the database is away, everything waits; beyond a limit, the oldest
visits that were never written are given up. A stream ends once its last visit is written. Visits of
a stream that another process has ended are dropped.
"""

from __future__ import annotations

import logging
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import InterfaceError, OperationalError, connections

from recognition.cameras.services.streams import OwnStream
from recognition.events.models import Event
from recognition.events.payloads import event_payload
from recognition.events.services.events import VisitSeen, event_open, event_update
from recognition.events.services.streams import stream_end
from recognition.live.visits import Visit
from recognition.live.writing import Writing
from recognition.notices.payloads import PageEventKind
from recognition.people.models import ModelVersion
from recognition.web import storage
from recognition.web.errors import ServiceError
from recognition.web.leases import KeptLease, LeaseLost
from recognition.web.payloads import EventPayload
from recognition.web.process import process

logger = logging.getLogger(__name__)

# Most visits that wait to be written, each with a snapshot of about 100 kB.
MOST_WAITING = 300
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 10.0
# A write that fails although the database answers is given up after this many attempts.
_TRIES = 3

# Called with the event's payload and its change: opened, updated, closed.
Tell = Callable[[EventPayload, PageEventKind], None]


@dataclass(frozen=True, slots=True)
class VisitSource:
    """The origin of visits: one stream, with the model that sees its faces now."""

    stream: OwnStream
    model: ModelVersion
    tell: Tell


@dataclass(frozen=True, slots=True)
class _Entry:
    """A visit in its newest state."""

    source: VisitSource
    visit: Visit
    seen: VisitSeen
    ended_at: datetime
    is_open: bool
    tries: int = 0


@dataclass(frozen=True, slots=True)
class _End:
    """The end of a stream, after its visits."""

    stream: OwnStream
    kept: KeptLease
    tries: int = 0


class VisitWriter(Writing[_Entry | _End]):
    """`submit` is thread-safe and never blocks."""

    kept_s = 3.0

    def __init__(self) -> None:
        super().__init__(name="visit-writer", entries="visits and ends of streams")
        self._waiting: OrderedDict[int, _Entry] = OrderedDict()  # by id() of the visit
        self._ends: deque[_End] = deque()
        self._pause_s = _FIRST_PAUSE_S

    def submit(
        self,
        source: VisitSource,
        visit: Visit,
        seen: VisitSeen,
        *,
        ended_at: datetime,
        is_open: bool,
    ) -> None:
        """Write the visit in its present state; pictures missing from `seen` keep their earlier
        values."""
        entry = _Entry(source, visit, seen, ended_at, is_open)
        with self._changed:
            self._keep(entry, self._waiting.pop(id(visit), None))
            while len(self._waiting) > MOST_WAITING:
                self._waiting.popitem(last=False)
                logger.error("a visit was not written: too many wait for the database")
            self._wake()

    def end(self, stream: OwnStream, kept: KeptLease) -> None:
        """End the stream once its submitted visits are written. Its lease is kept until then."""
        with self._changed:
            self._ends.append(_End(stream, kept))
            self._wake()

    def _keep(self, newer: _Entry, older: _Entry | None) -> None:
        if older is not None and newer.seen.snapshot_jpeg is None:
            newer = replace(newer, seen=_with_pictures_of(newer.seen, older.seen))
        if older is not None and older.seen.is_revised:
            newer = replace(newer, seen=replace(newer.seen, is_revised=True))
        self._waiting[id(newer.visit)] = newer

    def _left(self) -> int:
        return len(self._waiting) + len(self._ends)

    def _take(self) -> _Entry | _End | None:
        entry = self._first()
        if isinstance(entry, _End):
            self._ends.remove(entry)
        elif entry is not None:
            del self._waiting[id(entry.visit)]
        return entry

    def _first(self) -> _Entry | _End | None:
        """A stream without waiting visits, else the visit that waits longest."""
        waiting = {entry.source.stream.id for entry in self._waiting.values()}
        over = (end for end in self._ends if end.stream.id not in waiting)
        return next(over, None) or next(iter(self._waiting.values()), None)

    def _write(self, entry: _Entry | _End) -> float:
        if self._is_written(entry):
            self._pause_s = _FIRST_PAUSE_S
            return 0.0
        pause_s, self._pause_s = self._pause_s, min(2 * self._pause_s, _LONGEST_PAUSE_S)
        return pause_s

    def _is_written(self, entry: _Entry | _End) -> bool:
        """False if it was put back, to be tried again later."""
        try:
            if isinstance(entry, _End):
                stream_end(stream_id=entry.stream.id, lease=entry.stream.lease)
            else:
                _store(entry)
        except LeaseLost:
            logger.warning("a visit is not written: another process has ended its stream")
        except ServiceError as error:
            if error.code in storage.CODES:
                logger.warning("visits wait: %s", error.message)
                self._put_back(entry)
                return False
            # The event or the collection was deleted meanwhile.
            logger.info("a visit is not written: %s", error.message)
        except Exception as error:
            if isinstance(error, OperationalError | InterfaceError) or storage.problem_of(error):
                logger.warning("the database does not take them, visits wait: %s", error)
                connections.close_all()
                self._put_back(entry)
                return False
            is_last = entry.tries + 1 >= _TRIES
            logger.exception("a visit %s", "was not written" if is_last else "is written again")
            connections.close_all()
            if not is_last:
                self._put_back(replace(entry, tries=entry.tries + 1))
                return False
        if isinstance(entry, _End):
            entry.kept.drop()
        return True

    def _put_back(self, entry: _Entry | _End) -> None:
        with self._changed:
            if isinstance(entry, _End):
                self._ends.append(entry)
                return
            newer = self._waiting.pop(id(entry.visit), None)
            self._keep(newer or entry, entry if newer else None)
            self._waiting.move_to_end(id(entry.visit), last=False)


def _with_pictures_of(seen: VisitSeen, older: VisitSeen) -> VisitSeen:
    return replace(
        seen,
        quality=older.quality,
        snapshot_jpeg=older.snapshot_jpeg,
        box=older.box,
        face_jpeg=older.face_jpeg,
        vector=older.vector,
        vector_model=older.vector_model,
        pictures_at=older.pictures_at,
    )


def _store(entry: _Entry) -> None:
    source, visit, seen = entry.source, entry.visit, entry.seen
    if visit.event_id is None:
        event = event_open(
            stream=source.stream,
            model=source.model,
            seen=seen,
            started_at=visit.started_at,
            clip=visit.clip,
        )
        visit.event_id = event.pk
        source.tell(event_payload(event), "opened")
        if entry.is_open:
            return
    row = Event.objects.defer("vector").filter(pk=visit.event_id).first()
    if row is None:
        # The event was deleted: the visit continues without one.
        return
    event = event_update(
        event=row,
        stream=source.stream,
        seen=seen,
        ended_at=entry.ended_at,
        is_open=entry.is_open,
    )
    source.tell(event_payload(event), "updated" if entry.is_open else "closed")


def visit_writer() -> VisitWriter:
    """The writer of this process."""
    return process().part(VisitWriter)
