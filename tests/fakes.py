"""An engine without TensorFlow: it finds coloured squares and takes them for faces.

`portrait` draws pictures of numbered people. The same number gives nearly the same embedding in
every picture, and different numbers give embeddings that strangers would have. JPEG, scaling and
cutting do not disturb it, so that a stored face is found again.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ml_engine.detection.region import cut_out, put_back
from ml_engine.executor import Stats
from ml_engine.images import encode_jpeg
from ml_engine.request import EVERY_FACE, ORDINARY, Ask, Timings, Wanted
from ml_engine.types import EngineBusy, Face, Quality
from ml_engine.zoo import EmbedderCard, embedder_card, preset

Image = NDArray[np.uint8]
_LEVELS = 7  # of each colour: 343 people
_STEP = 32
# The grey of the background is between these. It is different for each photo of a person.
_DARKEST, _BACKGROUND = 4, 24
_CORNER = np.zeros(2, np.float32)
_LANDMARKS = np.array([[0.3, 0.35], [0.7, 0.35], [0.5, 0.55], [0.35, 0.75], [0.65, 0.75]])


def colour_of(person: int) -> tuple[int, int, int]:
    """A colour for person 0..342 that survives JPEG."""
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


class FakeEngine:
    """Keeps the contract of `ml_engine.engine.Engine`.

    lookalikes: person to another one, whose face they have, nearly.
    is_busy: refuse every call, as a full queue does.
    flips: of each embedding. asks: how each call queued.
    """

    device = "fake"

    def __init__(self) -> None:
        self.detector = preset("mtcnn").version
        self.lookalikes: dict[int, int] = {}
        self.is_busy = False
        self.is_closed = False
        self.calls = 0
        self.flips: list[bool] = []
        self.asks: list[Ask] = []

    def embedder(self, model: str | None = None) -> EmbedderCard:
        return embedder_card(model or "mobilefacenet")

    def find(
        self, images: Sequence[Image], wanted: Wanted = EVERY_FACE, ask: Ask = ORDINARY
    ) -> list[list[Face]]:
        self.calls += 1
        self.asks.append(ask)
        if self.is_busy:
            raise EngineBusy()
        _note(ask.timings, "queue", "detect", "align")
        least_px, least_score = wanted.min_face_px or 20, wanted.score_threshold or 0.0
        found = []
        for image in images:
            part, corner = cut_out(image, wanted.region) if wanted.region else (image, _CORNER)
            faces = put_back(_faces(part), corner)
            faces = [f for f in faces if f.size_px >= least_px and f.score >= least_score]
            found.append(wanted.among(faces))
        return found

    def embed(
        self,
        image: Image,
        faces: Sequence[Face],
        ask: Ask = ORDINARY,
        *,
        embedder: str | None = None,
        flip: bool = False,
    ) -> list[Face]:
        self.asks.append(ask)
        self.flips.append(flip)
        _note(ask.timings, "embed")
        card = self.embedder(embedder)
        return [
            face.with_embedding(self._vector(image, face, card.name), card.version)
            for face in faces
        ]

    def analyze(
        self,
        images: Sequence[Image],
        wanted: Wanted = EVERY_FACE,
        ask: Ask = ORDINARY,
        *,
        embedder: str | None = None,
        flip: bool = False,
    ) -> list[list[Face]]:
        found = self.find(images, wanted, ask)
        return [
            self.embed(image, faces, ask, embedder=embedder, flip=flip)
            for image, faces in zip(images, found, strict=True)
        ]

    def warm_up(self) -> None:
        """Nothing to warm up."""

    def stats(self) -> Stats:
        return {}

    def close(self, *, drain_s: float = 5.0) -> None:
        self.is_closed = True

    def _vector(self, image: Image, face: Face, embedder: str) -> NDArray:
        person = person_at(image, face)
        return embedding_of(self.lookalikes.get(person, person), embedder, looks_at(image))


def person_at(image: Image, face: Face) -> int:
    """The number behind the colour in the middle of the face."""
    (left, top), (right, bottom) = face.box[:2].astype(int), face.box[2:].astype(int)
    width, height = (right - left) // 4, (bottom - top) // 4
    middle = image[top + height : bottom - height, left + width : right - width]
    colour = np.median(middle.reshape(-1, 3), axis=0)
    levels = np.clip((colour - 32) // _STEP, 0, _LEVELS - 1).astype(int)
    return int(levels @ [1, _LEVELS, _LEVELS**2])


def looks_at(image: Image) -> int:
    """The number of the photo, from its background, which a cut face also shows."""
    brightest = _brightest(image)
    background = brightest[brightest <= _BACKGROUND]
    return max(0, round(float(np.median(background))) - _DARKEST) if background.size else 0


def _faces(image: Image) -> list[Face]:
    """All coloured squares, largest first."""
    import cv2

    mask = (_brightest(image) > _BACKGROUND).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    faces = []
    for left, top, width, height, area in stats[1:]:
        if area < 0.8 * width * height or min(width, height) < 12:
            continue
        box = np.array([left, top, left + width, top + height], np.float32)
        landmarks = (box[:2] + _LANDMARKS * [width, height]).astype(np.float32)
        size_px = float(min(width, height))
        quality = Quality(0.9, size_px, 40.0, 0.2, 0.01, 0.03, 128.0, 0.0, 0.0, 0.0, 0.99)
        faces.append(Face(box, landmarks, 0.99, quality))
    return sorted(faces, key=lambda face: -face.size_px)


def _brightest(image: Image) -> Image:
    """(h, w): the largest value of each pixel, ten times as fast as `max(axis=2)`."""
    red, green, blue = np.moveaxis(image, 2, 0)
    return np.maximum(np.maximum(red, green), blue)


def _note(timings: Timings | None, *stages: str) -> None:
    if timings is not None:
        timings.update({stage: timings.get(stage, 0.0) + 0.1 for stage in stages})
