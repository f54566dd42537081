"""Inspection of a picture sent for enrolment: the face to store, or the reason for the refusal.

Nothing is written here; decoding and the engine's work happen outside of any transaction.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from uuid import UUID

import numpy as np

from ml_engine import Face, ImageError, Quality
from ml_engine.matching import compared, decide
from ml_engine.quality import REASON_TEXTS, refusals
from ml_engine.request import Priority, Wanted
from ml_engine.types import Float32, Image
from recognition.engine import get_engine
from recognition.people.index import gallery_of
from recognition.people.models import Collection
from recognition.people.rules import rules_of
from recognition.people.selectors import lookalike_ids
from recognition.people.services.face_choice import ONLY, FaceChoice, NoSingleFace, choose
from recognition.people.services.pictures import FaceCut, ask_of, cut_face, decoded, subjects, whole

# If no face is found in the stored crop, the live embedding is kept, provided its quality is at
# least this.
_CLEAN_QUALITY = 0.6
_SMALLEST_PX = 20


@dataclass(frozen=True, slots=True)
class FaceToStore:
    """What would be stored of one picture. `original_jpeg` is empty if it is not kept."""

    sha256: str
    face: Face
    quality: float
    faces_found: int
    cut: FaceCut
    original_jpeg: bytes = b""


@dataclass(frozen=True, slots=True)
class LiveCrop:
    """The face of a visit as a live stream stored it. vector: (d,) of the collection's embedder, or
    None if another model made it."""

    jpeg: bytes
    vector: Float32 | None
    quality: float


class PictureRefused(Exception):
    """Why a picture is refused. `similar_to`: the other person that it looks like; `boxes`: every
    face that was found, x1 y1 x2 y2."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        faces_found: int = 0,
        quality: Quality | None = None,
        similar_to: UUID | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.faces_found = faces_found
        self.quality = quality
        self.similar_to = similar_to
        self.boxes: list[Float32] = []


class Inspection:
    """Inspects pictures of one person (None: a new person), by the rules of a collection.

    caller: whose turn at the engine it is. priority: see `ml_engine.request.Ask`. choice: which
    face of an uploaded picture is meant. insists: a user has seen the picture and wants this face,
    however good it is and whomever it looks like.
    """

    def __init__(
        self,
        collection: Collection,
        person_id: UUID | None,
        *,
        caller: str,
        priority: Priority = "interactive",
        choice: FaceChoice = ONLY,
        insists: bool = False,
    ) -> None:
        self._choice = choice
        self._insists = insists
        self._caller = caller
        self._priority = priority
        self._collection = collection
        self._person_id = person_id
        self._gallery = gallery_of(collection)
        self._not_confused_with = {person_id, *(lookalike_ids(person_id) if person_id else ())}

    def look_at_upload(self, data: bytes) -> FaceToStore:
        """PictureRefused if this picture is refused; ServiceError or EngineBusy if all are."""
        try:
            with decoded(data) as image:
                return self._look(data, image)
        except ImageError as error:
            raise PictureRefused(error.code, error.message) from error

    def _look(self, data: bytes, image: Image) -> FaceToStore:
        faces = self._faces(image)
        try:
            face = self._chosen(faces, image)
            self._check(face, len(faces))
        except PictureRefused as refused:
            refused.boxes = [face.box for face in faces]
            raise
        assert face.quality  # measured by the engine
        return FaceToStore(
            sha256=hashlib.sha256(data).hexdigest(),
            face=face,
            quality=face.quality.score,
            faces_found=len(faces),
            cut=cut_face(image, face),
            original_jpeg=whole(image) if self._collection.keeps_originals else b"",
        )

    def look_at_crop(self, crop: LiveCrop) -> FaceToStore:
        """The face of a visit: detected again in its picture, or else as it was measured live."""
        with decoded(crop.jpeg) as image:
            faces = self._faces(image, min_face_px=_SMALLEST_PX)
            face = self._same_face(faces, crop.vector) or _as_measured(crop, image)
        self._check(face, len(faces))
        return FaceToStore(
            sha256=hashlib.sha256(crop.jpeg).hexdigest(),
            face=face,
            quality=face.quality.score if face.quality else crop.quality,
            faces_found=max(1, len(faces)),
            cut=FaceCut(crop.jpeg, 0, 0, 1.0),
        )

    def _faces(self, image: Image, min_face_px: int | None = None) -> list[Face]:
        return get_engine().analyze(
            [image],
            Wanted(min_face_px=min_face_px, any_turn=True),
            ask_of(self._caller, priority=self._priority),
            embedder=self._collection.embedder.version,
            flip=self._collection.flip_averaging != Collection.FlipAveraging.NONE,
        )[0]

    def _chosen(self, faces: list[Face], image: Image) -> Face:
        size = image.shape[1], image.shape[0]
        try:
            return choose(faces, size, self._choice, picture="the picture")
        except NoSingleFace as error:
            raise PictureRefused(error.code, error.message, faces_found=len(faces)) from error

    def _check(self, face: Face, faces_found: int) -> None:
        """Refuse a face of low quality, and one that looks like another person."""
        if self._insists:
            return
        if face.quality is not None:
            reasons = refusals(face.quality, self._collection.quality_policy)  # type: ignore[arg-type]
            if reasons:
                told = "; ".join(REASON_TEXTS[reason] for reason in reasons)
                raise PictureRefused(
                    "low_quality",
                    f"It would be recognised badly: {told}.",
                    faces_found=faces_found,
                    quality=replace(face.quality, reasons=reasons),
                )
        self._refuse_another(face, faces_found)

    def _refuse_another(self, face: Face, faces_found: int) -> None:
        """Refuse a face that is more similar to another person of the collection than to its own:
        one face must not have two names. The message may be stored, so it does not name the other
        person."""
        rules = rules_of(self._collection, self._gallery)
        found = self._gallery.search(
            _embedding(face), by_similarity=True, curve=rules.curve, is_fixed=rules.is_fixed
        )[0]
        others = [c for c in found if c.person not in self._not_confused_with]
        own = max((c.score for c in found if c.person == self._person_id), default=-1.0)
        if not others or others[0].score <= own:
            return
        other = others[0]
        decision = decide([other], rules.threshold)
        if decision.kind != "match":
            return
        message = (
            "It looks like another person of the collection "
            f"(similarity {other.similarity:.2f}, a match from {decision.threshold:.2f} on). "
            "If both are one person, merge them; if they are two, such as twins, say so: they are "
            "look-alikes."
        )
        assert isinstance(other.person, UUID)
        raise PictureRefused(
            "looks_like_another_person",
            message,
            faces_found=faces_found,
            quality=face.quality,
            similar_to=other.person,
        )

    def _same_face(self, faces: list[Face], vector: Float32 | None) -> Face | None:
        """The visit's face among those in its picture, which may show a neighbour as well."""
        if not faces or vector is None:
            return subjects(faces)[0] if faces else None
        rules = rules_of(self._collection, self._gallery)
        rows = np.stack([_embedding(face) for face in faces])
        numbers = ((None, number) for number in range(len(faces)))
        pairs = compared(vector, rows, numbers, rules.scoring)
        best = max(pairs, key=lambda pair: pair.score)
        return faces[best.template] if best.score >= rules.threshold else None


def _embedding(face: Face) -> Float32:
    assert face.embedding is not None  # analyze() gives every face one
    return face.embedding


def _as_measured(crop: LiveCrop, image: Image) -> Face:
    if crop.vector is None or crop.quality < _CLEAN_QUALITY:
        message = "The face of this visit is not clear enough to be recognised by."
        raise PictureRefused("low_quality", message)
    height, width = image.shape[:2]
    return Face(
        box=np.array([0, 0, width, height], np.float32),
        landmarks=np.empty((0, 2), np.float32),
        score=0.0,
        embedding=crop.vector,
    )
