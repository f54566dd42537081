"""An engine without TensorFlow: it finds coloured squares and takes them for faces.

`portrait` draws pictures of numbered people. The same number gives nearly the same embedding in
every picture, and different numbers give embeddings that strangers would have. JPEG, scaling and
cutting do not disturb it, so that a stored face is found again.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ml_engine.detection.region import Region, cut_out, put_back
from ml_engine.images import encode_jpeg
from ml_engine.runtime.fair_queue import Priority
from ml_engine.types import EngineBusy, Face, Quality
from ml_engine.zoo import preset

Image = NDArray[np.uint8]
_LEVELS = 7  # of each colour: 343 people
_STEP = 32
# The background is between these; its shade tells one photo of somebody from another.
_DARKEST, _BACKGROUND = 4, 24
_LANDMARKS = np.array([[0.3, 0.35], [0.7, 0.35], [0.5, 0.55], [0.35, 0.75], [0.65, 0.75]])


def colour_of(person: int) -> tuple[int, int, int]:
    """Person 0..342 to a colour that survives JPEG."""
    levels = person % _LEVELS, person // _LEVELS % _LEVELS, person // _LEVELS**2
    red, green, blue = (48 + _STEP * level for level in levels)
    return red, green, blue


def portrait(*people: int, size: int = 120, looks: int = 0) -> Image:
    """A picture (h, w, 3) with the faces of these people side by side, each `size` pixels wide.

    looks: another number is another photo of the same people.
    """
    room = size // 2 + 10
    height, width = size + 2 * room, max(1, len(people)) * (size + room) + room
    image = np.full((height, width, 3), _DARKEST + looks % 12, np.uint8)
    for column, person in enumerate(people):
        left = room + column * (size + room)
        image[room : room + size, left : left + size] = colour_of(person)
    return image


def photo(*people: int, size: int = 120, looks: int = 0) -> bytes:
    """The same as a JPEG file."""
    return encode_jpeg(portrait(*people, size=size, looks=looks), 95)


def embedding_of(person: int, embedder: str = "mobilefacenet", looks: int = 0) -> NDArray:
    """(d,) of length 1; two looks of a person have a similarity of about 0.9."""
    dimension = preset(embedder).dimension or 0
    base = np.random.default_rng([7, person]).standard_normal(dimension)
    noise = np.random.default_rng([8, person, looks]).standard_normal(dimension)
    vector = base + 0.33 * noise
    return (vector / np.linalg.norm(vector)).astype(np.float32)


@dataclass(frozen=True)
class FakeEmbedder:
    name: str
    dimension: int
    size: int


class FakeEngine:
    """The interface of `ml_engine.engine.FaceEngine`.

    lookalikes: person to another one, whose face they have, nearly.
    is_busy: refuse every call, as a full queue does.
    flips, deadlines: what calls asked for, of each embedding and of all calls.
    """

    device = "fake"

    def __init__(self) -> None:
        self.lookalikes: dict[int, int] = {}
        self.is_busy = False
        self.is_closed = False
        self.calls = 0
        self.flips: list[bool] = []
        self.deadlines: set[float | None] = set()

    def embedder(self, name: str | None = None) -> FakeEmbedder:
        card = preset(name or "mobilefacenet")
        return FakeEmbedder(card.name, card.dimension or 0, card.size)

    def analyze(
        self,
        images: Sequence[Image],
        *,
        embedder: str | None = None,
        flip: bool = False,
        with_embedding: bool = True,
        region: Region | None = None,
        min_face_px: int | None = None,
        max_face_px: int | None = None,
        score_threshold: float | None = None,
        max_faces: int | None = None,
        priority: Priority = "interactive",
        deadline_s: float | None = None,
        caller: Hashable = None,
        timings: dict[str, float] | None = None,
    ) -> list[list[Face]]:
        found = self.detect(
            images,
            region=region,
            min_face_px=min_face_px,
            max_face_px=max_face_px,
            score_threshold=score_threshold,
            max_faces=max_faces,
            deadline_s=deadline_s,
            timings=timings,
        )
        if not with_embedding:
            return found
        return [
            self.embed(
                image,
                faces,
                embedder=embedder,
                flip=flip,
                deadline_s=deadline_s,
                timings=timings,
            )
            for image, faces in zip(images, found, strict=True)
        ]

    def detect(
        self,
        images: Sequence[Image],
        *,
        region: Region | None = None,
        min_face_px: int | None = None,
        max_face_px: int | None = None,
        score_threshold: float | None = None,
        max_faces: int | None = None,
        priority: Priority = "interactive",
        deadline_s: float | None = None,
        caller: Hashable = None,
        timings: dict[str, float] | None = None,
    ) -> list[list[Face]]:
        self.calls += 1
        self.deadlines.add(deadline_s)
        if self.is_busy:
            raise EngineBusy()
        _note(timings, "queue", "detect", "align")
        smallest, largest, least = min_face_px or 20, max_face_px or 10**6, score_threshold or 0.0
        found = []
        for image in images:
            part, corner = cut_out(image, region) if region else (image, np.zeros(2, np.float32))
            faces = put_back(_faces(part), corner)
            faces = [f for f in faces if smallest <= f.size_px <= largest and f.score >= least]
            found.append(faces[:max_faces])
        return found

    def embed(
        self,
        image: Image,
        faces: Sequence[Face],
        *,
        embedder: str | None = None,
        flip: bool = False,
        priority: Priority = "interactive",
        deadline_s: float | None = None,
        caller: Hashable = None,
        timings: dict[str, float] | None = None,
    ) -> list[Face]:
        self.deadlines.add(deadline_s)
        self.flips.append(flip)
        _note(timings, "embed")
        name = embedder or "mobilefacenet"
        return [replace(face, embedding=self._vector(image, face, name)) for face in faces]

    def warm_up(self) -> None:
        """Nothing to warm."""

    def stats(self) -> dict[str, object]:
        return {}

    def close(self) -> None:
        self.is_closed = True

    def _vector(self, image: Image, face: Face, embedder: str) -> NDArray:
        person = _person_at(image, face)
        return embedding_of(self.lookalikes.get(person, person), embedder, _looks_of(image))


def _person_at(image: Image, face: Face) -> int:
    """The number behind the colour in the middle of the face."""
    (left, top), (right, bottom) = face.box[:2].astype(int), face.box[2:].astype(int)
    width, height = (right - left) // 4, (bottom - top) // 4
    middle = image[top + height : bottom - height, left + width : right - width]
    colour = np.median(middle.reshape(-1, 3), axis=0)
    levels = np.clip((colour - 32) // _STEP, 0, _LEVELS - 1).astype(int)
    return int(levels @ [1, _LEVELS, _LEVELS**2])


def _looks_of(image: Image) -> int:
    """One photo is told from another by its background, of which some is in a cut face too."""
    brightest = image.max(axis=2)
    background = brightest[brightest <= _BACKGROUND]
    return max(0, round(float(np.median(background))) - _DARKEST) if background.size else 0


def _faces(image: Image) -> list[Face]:
    """Squares, largest first."""
    import cv2

    mask = (image.max(axis=2) > _BACKGROUND).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    faces = []
    for left, top, width, height, area in stats[1:]:
        if area < 0.8 * width * height or min(width, height) < 12:
            continue
        box = np.array([left, top, left + width, top + height], np.float32)
        landmarks = (box[:2] + _LANDMARKS * [width, height]).astype(np.float32)
        size_px = float(min(width, height))
        quality = Quality(0.9, size_px, 0.2, 128.0, 0.0, 0.0, 0.0, 0.99)
        faces.append(Face(box, landmarks, 0.99, quality))
    return sorted(faces, key=lambda face: -face.size_px)


def _note(timings: dict[str, float] | None, *stages: str) -> None:
    if timings is not None:
        timings.update({stage: timings.get(stage, 0.0) + 0.1 for stage in stages})
