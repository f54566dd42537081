"""The engine: pictures in, faces out. One object serves every thread of a process.

`Engine` is the contract. `FaceEngine` keeps it: it cuts faces out, measures and fuses them in the
caller's thread, and leaves the networks to an executor.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ml_engine import quality
from ml_engine.align import TEMPLATE_112, align_faces
from ml_engine.config import EngineConfig
from ml_engine.detection.region import cut_out, put_back
from ml_engine.detection.turns import find_turned
from ml_engine.embedding import Aligner, aligner_of
from ml_engine.executor import Executor, Stats
from ml_engine.request import EVERY_FACE, ORDINARY, Ask, Timings, Wanted
from ml_engine.runtime.fair_queue import Ticket
from ml_engine.runtime.gate import Gate
from ml_engine.types import Face, Float32, Image, ModelMismatch, ModelMissing
from ml_engine.zoo import EmbedderCard, embedder_card

_WARM_UP_SIZES = ((480, 640), (250, 250))
# Cards and aligners of embedders.
_MOST_CACHED = 64


class Engine(Protocol):
    """Thread-safe.

    Every call may raise EngineBusy (the queue is full), DeadlineExceeded (an EngineBusy: the
    deadline of the Ask passed) and EngineClosed.
    """

    @property
    def device(self) -> str:
        """Name of the device that networks run on, for people."""

    @property
    def detector(self) -> str:
        """Version of the detector that finds the faces, `name@hash`."""

    def embedder(self, model: str | None = None) -> EmbedderCard:
        """The card of an embedder, which is ready to use afterwards.

        Args:
            model: a version `name@hash`, of the zoo or of the config's `find_card`; or the name of
                a preset for its version of today. None is the embedder of the config.

        Raises:
            ModelMissing: this version is unknown.
            WeightsUnavailable: its file is missing or another one.
            ModelUnusable: its file holds no network that fits the card.
        """

    def find(
        self, images: Sequence[Image], wanted: Wanted = EVERY_FACE, ask: Ask = ORDINARY
    ) -> list[list[Face]]:
        """For each RGB uint8 image its faces, largest first, with quality."""

    def embed(
        self,
        image: Image,
        faces: Sequence[Face],
        ask: Ask = ORDINARY,
        *,
        embedder: str | None = None,
        flip: bool = False,
    ) -> list[Face]:
        """Faces of one image, from `find`, with their embeddings. Arguments as for `analyze`."""

    def analyze(
        self,
        images: Sequence[Image],
        wanted: Wanted = EVERY_FACE,
        ask: Ask = ORDINARY,
        *,
        embedder: str | None = None,
        flip: bool = False,
    ) -> list[list[Face]]:
        """For each RGB uint8 image its faces, largest first, with quality and embedding.

        Args:
            embedder: see the method `embedder`.
            flip: average each embedding with that of the mirrored face: twice the cost of
                embedding, fewer errors.
        """

    def warm_up(self) -> None:
        """Run everything once at the usual sizes, so that the first call is not the slow one."""

    def stats(self) -> Stats:
        """Counters of each queue."""

    def close(self, *, drain_s: float = 5.0) -> None:
        """Refuse new calls; give the running ones up to `drain_s` seconds to finish."""


class FaceEngine:
    """See `Engine`.

    Args:
        gate: counts the calls of this engine; given if the executor asks it, too.
    """

    def __init__(self, executor: Executor, config: EngineConfig, gate: Gate | None = None) -> None:
        self.config = config
        self._executor = executor
        self._gate = gate or Gate()
        self._cards: dict[str, EmbedderCard] = {}  # by name or version
        self._aligners: dict[str, Aligner] = {}  # by version
        self.embedder()

    @property
    def device(self) -> str:
        return self._executor.device

    @property
    def detector(self) -> str:
        return self._executor.detector

    def embedder(self, model: str | None = None) -> EmbedderCard:
        wanted = model or self.config.embedder
        card = self._cards.get(wanted)
        if card is None:
            card = self._found_card(wanted)
            _keep_few(self._cards)
            self._cards[wanted] = card
        self._executor.load(card)
        return card

    def find(
        self, images: Sequence[Image], wanted: Wanted = EVERY_FACE, ask: Ask = ORDINARY
    ) -> list[list[Face]]:
        ticket = Ticket.issue(ask)
        with self._gate.enter():
            found = self._found(images, wanted, ticket, ask.timings)
            with _timed(ask.timings, "align"):
                return [_measured(*each) for each in zip(images, found, strict=True)]

    def embed(
        self,
        image: Image,
        faces: Sequence[Face],
        ask: Ask = ORDINARY,
        *,
        embedder: str | None = None,
        flip: bool = False,
    ) -> list[Face]:
        if not faces:
            return []
        ticket = Ticket.issue(ask)
        with self._gate.enter():
            card = self.embedder(embedder)
            return self._embedded([image], [list(faces)], card, ticket, ask.timings, flip=flip)[0]

    def analyze(
        self,
        images: Sequence[Image],
        wanted: Wanted = EVERY_FACE,
        ask: Ask = ORDINARY,
        *,
        embedder: str | None = None,
        flip: bool = False,
    ) -> list[list[Face]]:
        ticket = Ticket.issue(ask)
        with self._gate.enter():
            card = self.embedder(embedder)
            found = self._found(images, wanted, ticket, ask.timings)
            return self._embedded(images, found, card, ticket, ask.timings, flip=flip)

    def warm_up(self) -> None:
        card = self.embedder()
        for height, width in _WARM_UP_SIZES:
            self.find([np.zeros((height, width, 3), np.uint8)])
        black = np.zeros((112, 112, 3), np.uint8)
        box = np.array([0, 0, 112, 112], np.float32)
        for batch in self._executor.batches:
            landmarks, boxes = np.stack([TEMPLATE_112] * batch), np.tile(box, (batch, 1))
            crops = self._aligner(card).crops(black, landmarks, boxes)
            ticket = Ticket.issue(ORDINARY)
            self._executor.embed(crops, card, flip=False, ticket=ticket, timings=None)

    def stats(self) -> Stats:
        return self._executor.stats()

    def close(self, *, drain_s: float = 5.0) -> None:
        self._gate.shut(drain_s)
        self._executor.close()

    def _found(
        self, images: Sequence[Image], wanted: Wanted, ticket: Ticket, timings: Timings | None
    ) -> list[list[Face]]:
        for image in images:
            _check(image)
        wanted = replace(wanted, min_face_px=wanted.min_face_px or self.config.min_face_px)
        asked = wanted.for_detector(self.config.min_face_px)

        def look(images: Sequence[Image]) -> list[list[Face]]:
            found = self._executor.detect(images, asked, ticket=ticket, timings=timings)
            return [wanted.among(faces) for faces in found]

        def look_and_measure(image: Image) -> list[Face]:
            return _measured(image, look([image])[0])

        parts = [_part(image, wanted) for image in images]
        found = look([part for part, _ in parts])
        if wanted.any_turn:
            found = [
                find_turned(part, faces, look_and_measure)
                for (part, _), faces in zip(parts, found, strict=True)
            ]
        return [put_back(faces, corner) for faces, (_, corner) in zip(found, parts, strict=True)]

    def _embedded(
        self,
        images: Sequence[Image],
        found: list[list[Face]],
        card: EmbedderCard,
        ticket: Ticket,
        timings: Timings | None,
        *,
        flip: bool,
    ) -> list[list[Face]]:
        """Align, measure faces that were not measured yet, embed."""
        aligner = self._aligner(card)
        with _timed(timings, "align"):
            crops = [
                aligner.crops(image, _landmarks(faces), _boxes(faces))
                for image, faces in zip(images, found, strict=True)
            ]
            standard = [aligner.standard_crops(each) for each in crops]
            found = [_measured(*each) for each in zip(images, found, standard, strict=True)]
        flat = [crop for part in crops for crop in part]
        vectors = iter(self._executor.embed(flat, card, flip=flip, ticket=ticket, timings=timings))
        version = card.version
        return [[face.with_embedding(next(vectors), version) for face in faces] for faces in found]

    def _found_card(self, model: str) -> EmbedderCard:
        try:
            return embedder_card(model)
        except ModelMissing:
            find_card = self.config.find_card if "@" in model else None
            card = find_card(model) if find_card else None
            if card is None:
                raise
        if card.version != model:
            raise ModelMismatch(f"The card for {model} is of {card.version}.")
        return card

    def _aligner(self, card: EmbedderCard) -> Aligner:
        found = self._aligners.get(card.version)
        if found is None:
            found = aligner_of(card)
            _keep_few(self._aligners)
            self._aligners[card.version] = found
        return found


def _keep_few(cache: dict[str, Any]) -> None:
    """Room for one more: a cache of what is quickly made again."""
    if len(cache) >= _MOST_CACHED:
        cache.clear()


def _check(image: Image) -> None:
    """Before it shares a batch with others."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(f"An RGB uint8 image (h, w, 3) is wanted, not {image.dtype} {image.shape}")


def _part(image: Image, wanted: Wanted) -> tuple[Image, Float32]:
    """The part of the picture to look in, and its upper left corner."""
    if wanted.region is None:
        return image, np.zeros(2, np.float32)
    return cut_out(image, wanted.region)


def _landmarks(faces: Sequence[Face]) -> Float32:
    return np.array([face.landmarks for face in faces], np.float32).reshape(-1, 5, 2)


def _boxes(faces: Sequence[Face]) -> Float32:
    return np.array([face.box for face in faces], np.float32).reshape(-1, 4)


def _measured(
    image: Image, faces: Sequence[Face], crops: Sequence[NDArray[np.uint8]] | None = None
) -> list[Face]:
    """Faces with their quality, measured on the same crop whatever the embedder, so that its limits
    mean the same. `crops`: these crops, if they were cut already."""
    if all(face.quality for face in faces):
        return list(faces)
    if crops is None:
        crops = list(align_faces(image, _landmarks(faces), TEMPLATE_112, quality.CROP_PX))
    return [
        replace(face, quality=quality.measure(face, crop, image))
        for face, crop in zip(faces, crops, strict=True)
    ]


@contextmanager
def _timed(timings: Timings | None, stage: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    if timings is not None:
        timings[stage] = timings.get(stage, 0.0) + (time.perf_counter() - started) * 1000
