"""The engine: pictures in, faces out. One object serves every thread of a process.

Two owner threads run the networks, one for detection and one for embedding; calls of all threads
become batches there. Alignment and quality are done in the caller's thread.

Every call may say how it queues: `priority` ("bulk" lets interactive calls go first), `caller` (a
stream, a key: callers take turns) and `deadline_s` (seconds from now after which nobody wants the
answer: it is refused then instead of run).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ml_engine import quality
from ml_engine.align import TEMPLATE_112, align_faces
from ml_engine.config import EngineConfig
from ml_engine.detection import load_detector
from ml_engine.detection.region import Region, cut_out, put_back
from ml_engine.embedding import Crop, Embedder, load_embedder
from ml_engine.runtime.batcher import DynamicBatcher, Timings
from ml_engine.runtime.device import resolve_device
from ml_engine.runtime.fair_queue import Priority, Ticket
from ml_engine.runtime.gate import Gate
from ml_engine.runtime.threads import set_threads
from ml_engine.types import Face, Float32, Image

_WARM_UP_SIZES = ((480, 640), (250, 250))


@dataclass(frozen=True, slots=True)
class _Options:
    """What calls must agree on to share a batch of detection."""

    min_face_px: int
    score_threshold: float | None
    max_faces: int | None


@dataclass(frozen=True, slots=True)
class _Search:
    """Which faces a call wants."""

    options: _Options
    region: Region | None
    max_face_px: int | None
    max_faces: int | None

    def kept(self, faces: list[Face]) -> list[Face]:
        if self.max_face_px is not None:
            faces = [face for face in faces if face.size_px <= self.max_face_px]
        return faces[: self.max_faces]


class FaceEngine:
    """Thread-safe. Building it loads the networks of the config; other embedders load on first use.

    Every call may raise EngineBusy (the queue is full), DeadlineExceeded (an EngineBusy, where the
    call named a deadline) or EngineClosed.
    """

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self._device = resolve_device(config.device, config.threads, half=config.half_precision)
        set_threads(self._device.threads)
        self._embedders: dict[str, Embedder] = {}
        self._loading = threading.RLock()  # entered again by an embedder made of others
        self._gate = Gate()
        self._detector = load_detector(config.detector, config.weights_dir, self._device)
        self.embedder(config.embedder)
        self._detect = DynamicBatcher[Image, list[Face]](
            self._detect_batch,
            name="detect",
            max_batch=config.max_batch,
            max_wait_ms=config.max_wait_ms,
            max_queue=config.max_queue,
            in_flight=lambda: self._gate.inside,
        )
        self._embed = DynamicBatcher[Crop, Float32](
            self._embed_batch,
            name="embed",
            max_batch=4 * config.max_batch,
            max_wait_ms=config.max_wait_ms,
            # Longer: a call that detection took in is not to be refused half way.
            max_queue=2 * (config.max_queue + config.max_batch),
            in_flight=lambda: self._gate.inside,
        )

    @property
    def device(self) -> str:
        """Where the networks run, for people."""
        return self._device.name

    def embedder(self, name: str | None = None) -> Embedder:
        """The embedder of a preset (name, dimension), loaded if it was not yet."""
        name = name or self.config.embedder
        if found := self._embedders.get(name):
            return found
        with self._loading:
            if name not in self._embedders:
                loaded = load_embedder(name, self.config.weights_dir, self._device, self.embedder)
                self._embedders[name] = loaded
            return self._embedders[name]

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
        timings: Timings | None = None,
    ) -> list[list[Face]]:
        """For each RGB uint8 image its faces, largest first, with quality and embedding.

        Args:
            flip: average each embedding with that of the mirrored face: twice the cost of
                embedding, fewer errors.
            with_embedding: False leaves embeddings out, as `detect` does.
            region: look in this part of each picture alone, x1, y1, x2, y2 in its pixels.
            min_face_px, max_face_px: shorter sides of the smallest and the largest box wanted.
            timings: receives milliseconds by stage: `queue`, `detect`, `align` (cutting faces out
                and measuring them) and `embed`; added to what the dict holds.
        """
        search = self._search(region, min_face_px, max_face_px, score_threshold, max_faces)
        ticket = Ticket.issue(priority, caller, deadline_s)
        with self._gate.enter():
            found = self._find(images, search, ticket, timings)
            if with_embedding:
                return self._finish(images, found, embedder, ticket, timings, flip=flip)
            return _measured(images, found, timings)

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
        timings: Timings | None = None,
    ) -> list[list[Face]]:
        """The same without embeddings: faces with quality."""
        search = self._search(region, min_face_px, max_face_px, score_threshold, max_faces)
        ticket = Ticket.issue(priority, caller, deadline_s)
        with self._gate.enter():
            return _measured(images, self._find(images, search, ticket, timings), timings)

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
        timings: Timings | None = None,
    ) -> list[Face]:
        """Faces of one image, as `detect` gave them, with their embeddings."""
        if not faces:
            return []
        ticket = Ticket.issue(priority, caller, deadline_s)
        with self._gate.enter():
            return self._finish([image], [list(faces)], embedder, ticket, timings, flip=flip)[0]

    def warm_up(self) -> None:
        """Run everything once at the usual sizes, so that the first call is not the slow one."""
        embedder = self.embedder()
        for height, width in _WARM_UP_SIZES:
            self.detect([np.zeros((height, width, 3), np.uint8)])
        black = np.zeros((112, 112, 3), np.uint8)
        for batch in self._device.batches:
            crops = embedder.crops(black, np.stack([TEMPLATE_112] * batch))
            self._embed.call(crops, key=(embedder.name, False))

    def stats(self) -> dict[str, dict[str, Any]]:
        """Counters of each queue (see BatcherStats) and how many calls wait now."""
        return {"detect": self._detect.snapshot(), "embed": self._embed.snapshot()}

    def close(self, *, drain_s: float = 5.0) -> None:
        """Refuse what comes, finish what is inside for up to `drain_s` seconds, refuse the rest."""
        self._gate.shut(drain_s)
        self._detect.close()
        self._embed.close()

    def _search(
        self,
        region: Region | None,
        min_face_px: int | None,
        max_face_px: int | None,
        score_threshold: float | None,
        max_faces: int | None,
    ) -> _Search:
        # The largest faces that are not too large: all of them have to be known.
        most = max_faces if max_face_px is None else None
        options = _Options(min_face_px or self.config.min_face_px, score_threshold, most)
        return _Search(options, region, max_face_px, max_faces)

    def _find(
        self,
        images: Sequence[Image],
        search: _Search,
        ticket: Ticket,
        timings: Timings | None,
    ) -> list[list[Face]]:
        for image in images:
            _check(image)
        if search.region is None:
            return self._found(images, search, ticket, timings)
        parts = [cut_out(image, search.region) for image in images]
        found = self._found([part for part, _ in parts], search, ticket, timings)
        return [put_back(faces, corner) for faces, (_, corner) in zip(found, parts, strict=True)]

    def _found(
        self, images: Sequence[Image], search: _Search, ticket: Ticket, timings: Timings | None
    ) -> list[list[Face]]:
        """In calls of at most a batch, so that a large one lets others through."""
        step = self.config.max_batch
        found: list[list[Face]] = []
        for start in range(0, len(images), step):
            part = images[start : start + step]
            found += self._detect.call(part, key=search.options, ticket=ticket, timings=timings)
        return [search.kept(faces) for faces in found]

    def _finish(
        self,
        images: Sequence[Image],
        found: list[list[Face]],
        embedder_name: str | None,
        ticket: Ticket,
        timings: Timings | None,
        *,
        flip: bool,
    ) -> list[list[Face]]:
        """Align, measure where that was not done yet, embed."""
        embedder = self.embedder(embedder_name)
        with _timed(timings, "align"):
            crops = [
                embedder.crops(image, _landmarks(faces))
                for image, faces in zip(images, found, strict=True)
            ]
            shared = [embedder.standard_crops(each) for each in crops]
            found = [_with_quality(*each) for each in zip(images, found, shared, strict=True)]
        flat = [crop for part in crops for crop in part]
        key = (embedder.name, flip)
        vectors = iter(self._embed.call(flat, key=key, ticket=ticket, timings=timings))
        return [[face.with_embedding(next(vectors)) for face in faces] for faces in found]

    def _detect_batch(self, images: list[Image], options: object) -> list[list[Face]]:
        assert isinstance(options, _Options)
        return self._detector.detect(images, **asdict(options))

    def _embed_batch(self, crops: list[Crop], key: object) -> list[Float32]:
        name, flip = cast("tuple[str, bool]", key)
        vectors = self.embedder(name).embed_crops(crops, flip=flip)
        # Copies: a row would keep its whole batch in memory as long as it lives.
        return [vector.copy() for vector in vectors]


def _check(image: Image) -> None:
    """Before it shares a batch with others."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(f"An RGB uint8 image (h, w, 3) is wanted, not {image.dtype} {image.shape}")


def _landmarks(faces: Sequence[Face]) -> Float32:
    return np.array([face.landmarks for face in faces], np.float32).reshape(-1, 5, 2)


def _measured(
    images: Sequence[Image], found: list[list[Face]], timings: Timings | None
) -> list[list[Face]]:
    with _timed(timings, "align"):
        return [_with_quality(image, faces) for image, faces in zip(images, found, strict=True)]


def _with_quality(
    image: Image, faces: Sequence[Face], crops: Sequence[NDArray[np.uint8]] | None = None
) -> list[Face]:
    """Measured on the same cut whatever the embedder, so that its limits mean the same. `crops`:
    that cut, where it was made already."""
    if all(face.quality for face in faces):
        return list(faces)
    if crops is None:
        crops = list(align_faces(image, _landmarks(faces), TEMPLATE_112, quality.CROP_PX))
    return [
        replace(face, quality=quality.measure(face, crop))
        for face, crop in zip(faces, crops, strict=True)
    ]


@contextmanager
def _timed(timings: Timings | None, stage: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    if timings is not None:
        timings[stage] = timings.get(stage, 0.0) + (time.perf_counter() - started) * 1000
