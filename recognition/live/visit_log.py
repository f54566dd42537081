"""Visits of one stream on their way to becoming events: when to write, with which picture."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import cast
from uuid import UUID

from ml_engine.types import Float32, Image
from recognition.cameras.services.streams import OwnStream
from recognition.events.services.events import VisitSeen
from recognition.live.pictures import shrunk_jpeg
from recognition.live.recogniser import SeenFace
from recognition.live.rulebook import Rulebook
from recognition.live.visits import Visit, VisitBook
from recognition.live.writer import Tell, VisitSource, visit_writer
from recognition.people.services.pictures import cut_face

# What becomes known about a visit that goes on is written no more often than this ...
_WRITE_EVERY_S = 2.0
# ... and "last seen" at least this often, so that a crash leaves it nearly right.
_WRITE_AT_LEAST_S = 20.0
_SNAPSHOT_SIDE_PX = 1280


class VisitLog:
    """For the thread of the stream."""

    def __init__(self, rulebook: Rulebook, stream: OwnStream, tell: Tell) -> None:
        self._book = VisitBook(rulebook.likeness)
        self._source = VisitSource(stream, rulebook.collection.embedder, tell)

    def event_of(self, track: int) -> UUID | None:
        """The event of the visit that a track is part of, once it is written."""
        visit = self._book.visit_of(track)
        return visit.event_id if visit else None

    def see(
        self, seen: Sequence[SeenFace], left: Sequence[int], at_s: float, now: datetime
    ) -> None:
        """The faces of one frame; `left`: tracks that are over or somebody else's now."""
        for track in left:
            self._book.leave(track)
        self._book.see([one.identity for one in seen], at_s, now)

    def keep_pictures(self, image: Image, seen: Sequence[SeenFace]) -> None:
        """Take pictures of visits from this frame where they are better than the ones there are,
        and hand on what is to be written. Takes some milliseconds a picture."""
        snapshot: bytes | None = None
        for one in seen:
            visit = self._book.visit_of(one.identity.track)
            if visit is None:
                continue
            # Another face of this frame is more surely the person of this visit.
            is_another = one.identity.is_outdone and visit.person is not None
            has_look = one.embedding is not None and not is_another
            if has_look and visit.wants_picture(one.quality):
                snapshot = snapshot or shrunk_jpeg(image, _SNAPSHOT_SIDE_PX, quality=85)
                visit.quality = one.quality
                self._write(visit, one.embedding, snapshot, cut_face(image, one.face.box).jpeg)
            elif _is_due(visit):
                self._write(visit)

    def close_gone(self, at_s: float) -> None:
        for visit in self._book.close_gone(at_s):
            self._write(visit, is_open=False)

    def close(self) -> None:
        """End all visits."""
        for visit in self._book.close():
            self._write(visit, is_open=False)

    def _write(
        self,
        visit: Visit,
        vector: Float32 | None = None,
        snapshot: bytes | None = None,
        face: bytes | None = None,
        *,
        is_open: bool = True,
    ) -> None:
        if visit.quality is None:
            return
        decision = visit.decision
        seen = VisitSeen(
            decision=decision.kind,
            person_id=cast("UUID | None", decision.person),
            similarity=decision.similarity,
            threshold=decision.threshold,
            fmr=decision.fmr,
            template_id=decision.template,
            at=visit.last_seen_at,
            quality=visit.quality,
            snapshot_jpeg=snapshot,
            face_jpeg=face,
            vector=vector,
            pictures_at=visit.last_seen_at if snapshot or face else None,
        )
        visit_writer().submit(
            self._source, visit, seen, ended_at=visit.last_seen_at, is_open=is_open
        )
        visit.has_news = False
        visit.written_s = time.monotonic()


def _is_due(visit: Visit) -> bool:
    since = time.monotonic() - visit.written_s
    return since > (_WRITE_EVERY_S if visit.has_news else _WRITE_AT_LEAST_S)
