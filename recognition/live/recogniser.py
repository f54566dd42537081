"""From a frame to faces with identities: detect, track, embed the faces that need a look,
decide."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import numpy as np
from django.conf import settings

from ml_engine import Face
from ml_engine.engine import Engine
from ml_engine.geometry import iou
from ml_engine.request import Ask, Timings, Wanted
from ml_engine.tracking import LEAST_QUALITY, Track, Tracker
from ml_engine.types import EngineError, Float32
from recognition.live.areas import EVERYWHERE, Areas
from recognition.live.association import find_exchanges
from recognition.live.attention import Watch
from recognition.live.identity import RECHECK_S, Identity, Need, name_each_once
from recognition.live.looks import Look, appearance_of
from recognition.live.rulebook import Rulebook
from recognition.live.slot import Load
from recognition.live.view import View

# A crowd is recognised over several frames, so that each frame is answered in time.
LOOKS_A_FRAME = 8
_FACES_A_FRAME = 64
# Faces whose boxes overlap this much may be confused.
_CROWDED_IOU = 0.05
# A frame that waited this long for the engine is outdated: the next one is taken instead.
DEADLINE_S = 2.0
# If the gallery changes all the time, known faces are searched again at most this often.
_RECONSIDER_S = 1.0
# New and changed faces may take this many looks in advance from later frames.
_MOST_DEBT = 3.0


@dataclass(slots=True)
class SeenFace:
    """A face of the frame. `embedding` if it was looked at in this frame."""

    face: Face
    identity: Identity
    need: Need
    embedding: Float32 | None = None

    @property
    def quality(self) -> float:
        return self.face.quality.score if self.face.quality else 0.0


class LookBudget:
    """Shares the looks of a stream that loses frames. For each frame a face earns the part of a
    look that it would need if no frame was lost. New faces are always looked at, settled ones while
    looks are left."""

    def __init__(self) -> None:
        self._credit = 0.0

    def earn(self, faces: int, interval_s: float) -> None:
        """Earn looks for this many faces in one more frame. interval_s: between two frames if none
        is lost."""
        earned = faces * min(1.0, interval_s / RECHECK_S)
        self._credit = min(self._credit, 1.0) + earned

    def grants(self, need: Need, since_look_s: float) -> bool:
        """True if a face is looked at; the look is then paid. since_look_s: time since its last
        look."""
        if need == Need.OPEN:
            is_granted = True
        elif need == Need.CHANGED:
            is_granted = self._credit - 1.0 >= -_MOST_DEBT or since_look_s >= RECHECK_S
        else:
            is_granted = need == Need.DUE and self._credit >= 1.0
        if is_granted:
            self._credit = max(self._credit - 1.0, -_MOST_DEBT)
        return is_granted


class Recogniser:
    """For one stream, in its thread, and for one model at a time: that of the rulebook's
    collection.

    ask: how its calls queue at the engine. areas: gives those in force.
    """

    def __init__(
        self,
        rulebook: Rulebook,
        *,
        ask: Ask,
        min_face_px: int | None,
        areas: Callable[[], Areas] = lambda: EVERYWHERE,
    ) -> None:
        self.rulebook = rulebook
        self._areas = areas
        self._ask = ask
        self._wanted_faces = Wanted(min_face_px=min_face_px, max_faces=_FACES_A_FRAME)
        self._model = rulebook.collection.embedder.version
        self._tracker = Tracker()
        self._watch = Watch(min_face_px or int(settings.ENGINE["min_face_px"]))
        self._identities: dict[int, Identity] = {}
        self._gallery_state = self._read_gallery_state()
        self._reconsidered_s = 0.0
        self._budget = LookBudget()
        self._last_s = -np.inf

    def change_model(self) -> None:
        """Begin with the model that the rulebook's collection has now. Tracks stay; what another
        model said about their faces is forgotten."""
        self._model = self.rulebook.collection.embedder.version
        self._gallery_state = self._read_gallery_state()
        for identity in self._identities.values():
            identity.change_model(by_rank=self._ranks_otherwise)

    def recognise(
        self, engine: Engine, view: View, at_s: float, timings: Timings, load: Load
    ) -> tuple[list[SeenFace], list[int]]:
        """The faces of a frame, largest first, and the tracks that ended or moved to another
        person. EngineBusy, EngineClosed, DatabaseError."""
        ask = replace(self._ask, timings=timings)
        areas = self._areas()
        faces = areas.keep(self._find(engine, view, at_s, ask, areas, load.stretch), view.size)
        tracks, over = self._tracker.update(faces, at_s, stretch=load.stretch)
        for track in over:
            self._identities.pop(track.number, None)
        seen = self._seen(view, faces, tracks, at_s, is_pressed=load.is_high)
        wanted = self._wanted(seen, at_s, load)
        self._last_s = at_s
        self._embed(engine, view, wanted, ask)
        started = time.perf_counter()
        self._associate(seen, wanted)
        passed_on = self._look(wanted, at_s)
        self._reconsider(at_s)
        name_each_once([one.identity for one in seen])
        timings["search"] = (time.perf_counter() - started) * 1000
        return seen, [track.number for track in over] + passed_on

    def _find(
        self, engine: Engine, view: View, at_s: float, ask: Ask, areas: Areas, stretch: float
    ) -> list[Face]:
        """The faces of the frame, searched only where there may be some."""
        tracks, last_s = self._tracker.tracks, self._last_s
        seen = [track.expected_box(at_s) for track in tracks if track.last_s >= last_s]
        missed = [track.expected_box(at_s) for track in tracks if track.last_s < last_s]
        attention = self._watch.attend(
            view.grey, view.size, seen, at_s, areas, missed=missed, stretch=stretch
        )
        if not attention.is_needed:
            return []
        smallest = attention.min_face_px or self._wanted_faces.min_face_px
        wanted = replace(self._wanted_faces, region=attention.region, min_face_px=smallest)
        try:
            (faces,) = engine.find([view.image], wanted, ask)
        except EngineError:
            self._watch.start_anew()
            raise
        return faces

    def _seen(
        self,
        view: View,
        faces: Sequence[Face],
        tracks: Sequence[Track],
        at_s: float,
        *,
        is_pressed: bool,
    ) -> list[SeenFace]:
        """Each face with its identity and its need of a look."""
        seen = []
        for face, track, is_crowded in zip(faces, tracks, _crowded(faces), strict=True):
            identity = self._identities.get(track.number)
            if identity is None:
                identity = Identity(track.number, at_s, by_rank=self._ranks_otherwise)
                self._identities[track.number] = identity
            need = identity.need(
                face,
                appearance_of(view.image, face.box),
                at_s,
                is_crowded=is_crowded,
                is_pressed=is_pressed,
                last_frame_s=self._last_s,
            )
            seen.append(SeenFace(face, identity, need))
        return seen

    def _wanted(self, seen: Sequence[SeenFace], at_s: float, load: Load) -> list[SeenFace]:
        """The faces to look at in this frame: those that waited longest first. If frames are lost,
        those with the greatest need, within the budget."""
        wanted = [one for one in seen if one.need]
        wanted.sort(key=lambda one: one.identity.last_look_s)
        if not load.is_high:
            return wanted[:LOOKS_A_FRAME]
        wanted.sort(key=lambda one: -one.need)
        self._budget.earn(len(seen), (at_s - self._last_s) / load.stretch)
        return [
            one
            for one in wanted[: max(1, round(LOOKS_A_FRAME / load.stretch))]
            if self._budget.grants(one.need, at_s - one.identity.last_look_s)
        ]

    def _embed(self, engine: Engine, view: View, wanted: list[SeenFace], ask: Ask) -> None:
        if not wanted:
            return
        embedded = engine.embed(
            view.image,
            [one.face for one in wanted],
            ask,
            embedder=self._model,
            flip=self.rulebook.flips,
        )
        for one, face in zip(wanted, embedded, strict=True):
            one.embedding = face.embedding

    def _associate(self, seen: Sequence[SeenFace], wanted: Sequence[SeenFace]) -> None:
        """Give faces to the tracks that their looks belong to."""
        looked = [
            (one.identity, one.embedding)
            for one in wanted
            if one.embedding is not None and one.quality >= LEAST_QUALITY
        ]
        faces = {one.identity.track: one for one in seen}
        lost = [
            identity
            for track, identity in self._identities.items()
            if track not in faces and identity.has_looks
        ]
        for track, other in find_exchanges(looked, lost, self.rulebook.likeness):
            self._tracker.exchange(track, other)
            faces[track].identity = self._identities[other]
            if other in faces:
                faces[other].identity = self._identities[track]

    def _look(self, wanted: list[SeenFace], at_s: float) -> list[int]:
        """Add the looks; returns the tracks that moved to another person."""
        looks = [Look(one.embedding, one.quality) for one in wanted if one.embedding is not None]
        if not looks:
            return []
        found = self.rulebook.search(np.stack([look.embedding for look in looks]))
        decide, same = self.rulebook.decide, self.rulebook.same_face
        return [
            one.identity.track
            for one, look, candidates in zip(wanted, looks, found, strict=True)
            if not one.identity.look(look, candidates, at_s, decide, same)
        ]

    def _reconsider(self, at_s: float) -> None:
        """Search again for known faces: a person was enrolled, renamed or erased, or the ranking
        changed."""
        state = self._read_gallery_state()
        if state == self._gallery_state or at_s - self._reconsidered_s < _RECONSIDER_S:
            return
        self._gallery_state, self._reconsidered_s = state, at_s
        for identity in self._identities.values():
            found = self.rulebook.search(identity.embeddings) if identity.has_looks else []
            by_rank = self._ranks_otherwise
            identity.reconsider(found, self.rulebook.decide, by_rank=by_rank)

    def _read_gallery_state(self) -> tuple[object, ...]:
        """The gallery's revision, who decides, and what scores are."""
        gallery = self.rulebook.gallery
        return gallery.revision, gallery.decided_by, self.rulebook.scored_by

    @property
    def _ranks_otherwise(self) -> bool:
        """True if the gallery ranks by something else than similarity."""
        return not self.rulebook.gallery.ranks_by_similarity

    def name_of(self, person: object) -> str | None:
        """None if the person is erased or inactive."""
        return self.rulebook.gallery.name_of(person) if isinstance(person, UUID) else None

    def labels_of(self, person: object) -> tuple[str, ...]:
        return self.rulebook.gallery.labels_of(person) if isinstance(person, UUID) else ()


def _crowded(faces: Sequence[Face]) -> list[bool]:
    """For each face, whether another one overlaps it."""
    if len(faces) < 2:
        return [False] * len(faces)
    boxes = np.stack([face.box for face in faces])
    overlap = iou(boxes, boxes)
    np.fill_diagonal(overlap, 0.0)
    return [float(row.max()) > _CROWDED_IOU for row in overlap]
