"""The engine: pictures in, faces out. One object serves every thread of a process.

Two owner threads run the networks, one for detection and one for embedding; calls of all threads
become batches there. Decoding, alignment and quality are done in the caller's thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace

import numpy as np
from numpy.typing import NDArray

from ml_engine import quality
from ml_engine.config import EngineConfig
from ml_engine.detection import DetectionOptions, load_detector
from ml_engine.embedding import Embedder, load_embedder
from ml_engine.runtime.batcher import DynamicBatcher
from ml_engine.runtime.device import resolve_device
from ml_engine.runtime.threads import set_threads
from ml_engine.types import Face, Float32, Image

Timings = dict[str, float]
_WARM_UP_SIZES = ((480, 640), (250, 250))


class FaceEngine:
    """Thread-safe. Building it loads the networks of the config; other embedders load on first use.

    Every call may raise EngineBusy (the queue is full) or EngineClosed.
    """

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self._device = resolve_device(config.device, config.threads)
        set_threads(self._device.threads)
        self._embedders: dict[str, Embedder] = {}
        self._loading = threading.Lock()
        self._detector = load_detector(config.detector, config.weights_dir, self._device)
        self.embedder(config.embedder)
        limits = {"max_wait_ms": config.max_wait_ms, "max_queue": config.max_queue}
        self._detect = DynamicBatcher[Image, list[Face]](
            self._detect_batch, max_batch=config.max_batch, name="engine-detect", **limits
        )
        self._embed = DynamicBatcher[NDArray[np.uint8], Float32](
            self._embed_batch, max_batch=4 * config.max_batch, name="engine-embed", **limits
        )

    @property
    def device(self) -> str:
        """Where the networks run, for people."""
        return self._device.name

    def embedder(self, name: str | None = None) -> Embedder:
        """The embedder of a preset (name, dimension, size), loaded if it was not yet."""
        name = name or self.config.embedder
        with self._loading:
            if name not in self._embedders:
                self._embedders[name] = load_embedder(name, self.config.weights_dir, self._device)
            return self._embedders[name]

    def analyze(
        self,
        images: Sequence[Image],
        *,
        embedder: str | None = None,
        flip: bool = False,
        min_face_px: int | None = None,
        score_threshold: float | None = None,
        max_faces: int | None = None,
        timings: Timings | None = None,
    ) -> list[list[Face]]:
        """For each RGB uint8 image its faces, largest first, with quality and embedding.

        flip: average each embedding with that of the mirrored face; twice the cost, fewer errors.
        timings: a dict that receives milliseconds by stage (`detect`, `quality`, `embed`).
        """
        found = self._find(images, min_face_px, score_threshold, max_faces, timings)
        return self._finish(images, found, embedder, flip=flip, timings=timings)

    def detect(
        self,
        images: Sequence[Image],
        *,
        min_face_px: int | None = None,
        score_threshold: float | None = None,
        max_faces: int | None = None,
        timings: Timings | None = None,
    ) -> list[list[Face]]:
        """The same without embeddings: faces with quality."""
        found = self._find(images, min_face_px, score_threshold, max_faces, timings)
        embedder = self.embedder()
        with _timed(timings, "quality"):
            return [
                _with_quality(faces, embedder.crops(image, _landmarks(faces)))
                for image, faces in zip(images, found, strict=True)
            ]

    def embed(
        self,
        image: Image,
        faces: Sequence[Face],
        *,
        embedder: str | None = None,
        flip: bool = False,
        timings: Timings | None = None,
    ) -> list[Face]:
        """Faces of one image, as `detect` gave them, with their embeddings."""
        if not faces:
            return []
        return self._finish([image], [list(faces)], embedder, flip=flip, timings=timings)[0]

    def warm_up(self) -> None:
        """Run everything once at the usual sizes, so that the first call is not the slow one."""
        embedder = self.embedder()
        for height, width in _WARM_UP_SIZES:
            self._detect.call([np.zeros((height, width, 3), np.uint8)], key=self._options())
        for batch in (1, 8):
            crops = np.zeros((batch, embedder.size, embedder.size, 3), np.uint8)
            self._embed.call(list(crops), key=(embedder.name, False))

    def stats(self) -> dict[str, object]:
        """Counters of both queues and how many calls wait now."""
        return {
            name: {**asdict(batcher.stats), "waiting": batcher.waiting}
            for name, batcher in (("detect", self._detect), ("embed", self._embed))
        }

    def close(self) -> None:
        """Refuse what waits and what comes, finish what runs."""
        self._detect.close()
        self._embed.close()

    def _options(
        self,
        min_face_px: int | None = None,
        score_threshold: float | None = None,
        max_faces: int | None = None,
    ) -> DetectionOptions:
        options = DetectionOptions(min_face_px=min_face_px or self.config.min_face_px)
        if score_threshold is not None:
            options = replace(options, score_threshold=score_threshold)
        return replace(options, max_faces=max_faces)

    def _find(
        self,
        images: Sequence[Image],
        min_face_px: int | None,
        score_threshold: float | None,
        max_faces: int | None,
        timings: Timings | None,
    ) -> list[list[Face]]:
        options = self._options(min_face_px, score_threshold, max_faces)
        with _timed(timings, "detect"):
            return self._detect.call(images, key=options)

    def _finish(
        self,
        images: Sequence[Image],
        found: list[list[Face]],
        embedder_name: str | None,
        *,
        flip: bool,
        timings: Timings | None,
    ) -> list[list[Face]]:
        """Align, measure where that was not done yet, embed."""
        embedder = self.embedder(embedder_name)
        with _timed(timings, "quality"):
            crops = [
                embedder.crops(image, _landmarks(faces))
                for image, faces in zip(images, found, strict=True)
            ]
            found = [_with_quality(faces, part) for faces, part in zip(found, crops, strict=True)]
        with _timed(timings, "embed"):
            flat = [crop for part in crops for crop in part]
            vectors = iter(self._embed.call(flat, key=(embedder.name, flip)))
        return [[face.with_embedding(next(vectors)) for face in faces] for faces in found]

    def _detect_batch(self, images: list[Image], options: object) -> list[list[Face]]:
        assert isinstance(options, DetectionOptions)
        return self._detector.detect(images, options)

    def _embed_batch(self, crops: list[NDArray[np.uint8]], key: object) -> list[Float32]:
        name, flip = key  # type: ignore[misc]
        return list(self.embedder(name).embed_crops(np.stack(crops), flip=flip))


def _landmarks(faces: Sequence[Face]) -> Float32:
    return np.array([face.landmarks for face in faces], np.float32).reshape(-1, 5, 2)


def _with_quality(faces: Sequence[Face], crops: NDArray[np.uint8]) -> list[Face]:
    return [
        face if face.quality else replace(face, quality=quality.measure(face, crop))
        for face, crop in zip(faces, crops, strict=True)
    ]


@contextmanager
def _timed(timings: Timings | None, stage: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    if timings is not None:
        timings[stage] = timings.get(stage, 0.0) + (time.perf_counter() - started) * 1000
