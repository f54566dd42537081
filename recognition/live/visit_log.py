"""Passes visits of one stream to the writer: when to write, and with which picture."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import cast
from uuid import UUID

from ml_engine.types import Float32, Image
from recognition.cameras.pictures import shrunk_jpeg
from recognition.cameras.services.streams import OwnStream
from recognition.events.services.events import VisitSeen
from recognition.live.clips import clips
from recognition.live.recogniser import SeenFace
from recognition.live.rulebook import Rulebook
from recognition.live.visits import Visit, VisitBook, VisitPicture
from recognition.live.writer import Tell, VisitSource, visit_writer
from recognition.people.services.pictures import cut_face

# An open visit is written at most this often after changes ...
_WRITE_EVERY_S = 2.0
# ... and at least this often for its end time, so that a crash leaves it nearly right.
_WRITE_AT_LEAST_S = 20.0
_SNAPSHOT_SIDE_PX = 1280


class VisitLog:
    """For the thread of the stream."""

    def __init__(self, rulebook: Rulebook, stream: OwnStream, tell: Tell) -> None:
        self._rulebook = rulebook
        self._book = VisitBook(rulebook.likeness)
        self._source = VisitSource(stream, rulebook.collection.embedder, tell)

    def change_model(self) -> None:
        """The visits go on, and the faces are seen by another model."""
        self._book.change_model(self._rulebook.likeness)
        self._source = replace(self._source, model=self._rulebook.collection.embedder)

    def event_of(self, track: int) -> UUID | None:
        """The event of the visit that a track is part of, once it is written."""
        visit = self._book.visit_of(track)
        return visit.event_id if visit else None

    def see(
        self, seen: Sequence[SeenFace], left: Sequence[int], at_s: float, now: datetime
    ) -> None:
        """Add the faces of one frame. left: tracks that ended or moved to another person."""
        identities = [one.identity for one in seen]
        in_view = {identity.track for identity in identities}
        for track in left:
            if track in in_view:
                self._book.pass_on(track)
            else:
                self._book.leave(track)
        self._book.see(identities, at_s, now)

    def keep_pictures(
        self, image: Image, seen: Sequence[SeenFace], *, taken_at: datetime | None = None
    ) -> None:
        """Take pictures of visits from this frame if they are better than the present ones, and
        pass visits to the writer. Takes some milliseconds for each picture. taken_at: by the clock
        of this machine, if the frame is of a recording."""
        snapshot: bytes | None = None
        for one in seen:
            visit = self._book.visit_of(one.identity.track)
            if visit is None:
                continue
            # Another face of this frame is more surely the person of this visit.
            is_another = one.identity.is_outdone and visit.person is not None
            has_look = one.embedding is not None and not (is_another or one.identity.is_in_doubt)
            if has_look and visit.wants_picture(one.quality):
                snapshot = snapshot or shrunk_jpeg(image, _SNAPSHOT_SIDE_PX, quality=85)
                visit.quality = one.quality
                visit.picture = VisitPicture(
                    snapshot_jpeg=snapshot,
                    box=_fractions(one.face.box, image),
                    face_jpeg=cut_face(image, one.face).jpeg,
                    vector=one.embedding,
                    model=self._source.model,
                    taken_at=taken_at or visit.last_seen_at,
                )
            if visit.picture or _is_due(visit):
                self._write(visit)

    def close_gone(self, at_s: float) -> None:
        """End visits whose face is gone. Those that were tentative until then are written."""
        for visit in self._book.close_gone(at_s):
            self._write(visit, is_open=False)
        for visit in self._book.visits:
            if not visit.tracks and visit.picture:
                self._write(visit)

    def close(self) -> None:
        """End all visits."""
        for visit in self._book.close():
            self._write(visit, is_open=False)

    def _write(self, visit: Visit, *, is_open: bool = True) -> None:
        if visit.quality is None or visit.is_tentative:
            return
        if visit.event_id is None and visit.clip is None:
            visit.clip = clips().want(self._source.stream.id, visit.started_at)
        decision = visit.decision
        picture, visit.picture = visit.picture, None
        if picture and picture.model.pk not in self._rulebook.collection.model_ids:
            # It was let go while the visit was tentative.
            picture = replace(picture, vector=None, model=self._source.model)
        seen = VisitSeen(
            decision=decision.kind,
            person_id=cast("UUID | None", decision.person),
            similarity=decision.similarity,
            threshold=decision.threshold,
            fmr=decision.fmr,
            decided_by=decision.model,
            template_id=decision.template,
            at=visit.last_seen_at,
            quality=visit.quality,
            snapshot_jpeg=picture.snapshot_jpeg if picture else None,
            box=picture.box if picture else (),
            face_jpeg=picture.face_jpeg if picture else None,
            vector=picture.vector if picture else None,
            vector_model=picture.model if picture else None,
            pictures_at=picture.taken_at if picture else None,
            is_revised=visit.is_revised,
        )
        visit_writer().submit(
            self._source, visit, seen, ended_at=visit.last_seen_at, is_open=is_open
        )
        visit.has_news = visit.is_revised = False
        visit.written_s = time.monotonic()


def _fractions(box: Float32, image: Image) -> tuple[float, ...]:
    """x1 y1 x2 y2 in pixels as x, y, width, height, each as a part of the picture's sides."""
    height, width = image.shape[:2]
    x1, y1, x2, y2 = (float(value) for value in box / [width, height, width, height])
    return tuple(round(value, 4) for value in (x1, y1, x2 - x1, y2 - y1))


def _is_due(visit: Visit) -> bool:
    since = time.monotonic() - visit.written_s
    return since > (_WRITE_EVERY_S if visit.has_news else _WRITE_AT_LEAST_S)
