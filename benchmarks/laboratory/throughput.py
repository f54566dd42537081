"""Milliseconds of each stage by batch size, on the device of this machine.

The pictures are the public-domain samples, scaled to one size, so that it runs anywhere with
comparable results. Figures are medians and 95th percentiles of single calls. Run it on a machine
that does nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from tqdm import tqdm

from ml_engine.images import decode_image, encode_jpeg
from ml_engine.request import Wanted
from ml_engine.types import Face, Image
from ml_engine.zoo import ensure, presets_of

if TYPE_CHECKING:
    from ml_engine.engine import FaceEngine

Item = TypeVar("Item")
BATCHES = (1, 2, 4, 8, 16)


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds of one call with `batch` items."""

    stage: str
    batch: int
    median_ms: float
    p95_ms: float

    @property
    def per_second(self) -> float:
        return 1000 * self.batch / self.median_ms


@dataclass(frozen=True, slots=True)
class ThroughputReport:
    device: str
    size: tuple[int, int]
    repeats: int
    timings: list[Timing]

    def as_dict(self) -> dict[str, object]:
        return asdict(self)

    def as_text(self) -> str:
        width, height = self.size
        lines = [
            f"{self.device}; pictures of {width}x{height} with one face; {self.repeats} calls each",
            f"{'stage':34}{'batch':>6}{'median ms':>11}{'p95 ms':>9}{'items/s':>9}",
        ]
        lines += [
            f"{row.stage:34}{row.batch:6}{row.median_ms:11.1f}{row.p95_ms:9.1f}"
            f"{row.per_second:9.1f}"
            for row in self.timings
        ]
        return "\n".join(lines)


def evaluate_throughput(
    engine: FaceEngine, *, size: tuple[int, int] = (640, 480), repeats: int = 30
) -> ThroughputReport:
    """size: width and height of the pictures."""
    pictures = _pictures(engine, size)
    faces = engine.find(pictures)
    stages = _stages(engine, pictures, faces)
    timings = [
        _timing(name, batch, call, repeats)
        for name, batch, call in tqdm(stages, "throughput", unit="stage")
    ]
    return ThroughputReport(engine.device, size, repeats, timings)


def _stages(
    engine: FaceEngine, pictures: Sequence[Image], faces: list[list[Face]]
) -> list[tuple[str, int, Callable[[], object]]]:
    """Name, batch and what is timed."""
    file = encode_jpeg(pictures[0])
    stages: list[tuple[str, int, Callable[[], object]]] = [
        ("decode a JPEG", 1, partial(decode_image, file))
    ]
    for smallest in (40, 20):
        name, wanted = f"find, smallest face {smallest}", Wanted(min_face_px=smallest)
        for batch in BATCHES:
            part = _repeated(pictures, batch)
            stages.append((name, batch, partial(engine.find, part, wanted)))
    for card in presets_of("embedder"):
        for batch in BATCHES:
            many = _repeated(faces[0], batch)
            call: Callable[[], object] = partial(
                engine.embed, pictures[0], many, embedder=card.name
            )
            stages.append((f"cut and embed, {card.name}", batch, call))
    for batch in BATCHES:
        call = partial(engine.analyze, _repeated(pictures, batch))
        stages.append(("pictures to embeddings", batch, call))
    stages.append(("JPEG to embeddings", 1, lambda: engine.analyze([decode_image(file)])))
    return stages


def _repeated(items: Sequence[Item], count: int) -> list[Item]:
    return [items[index % len(items)] for index in range(count)]


def _timing(name: str, batch: int, call: Callable[[], object], repeats: int) -> Timing:
    for _ in range(3):
        call()
    elapsed = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        elapsed.append(1000 * (time.perf_counter() - started))
    return Timing(name, batch, float(np.median(elapsed)), float(np.percentile(elapsed, 95)))


def _pictures(engine: FaceEngine, size: tuple[int, int]) -> list[Image]:
    """The samples, scaled and cut to `size`: the centre of the upper part, where the face is."""
    import cv2

    pictures = []
    for path in ensure("samples", engine.config.weights_dir).values():
        image = decode_image(path.read_bytes())
        height, width = image.shape[:2]
        scale = max(size[0] / width, size[1] / height)
        scaled = cv2.resize(
            image,
            (max(size[0], round(width * scale)), max(size[1], round(height * scale))),
            interpolation=cv2.INTER_AREA,
        )
        left = (scaled.shape[1] - size[0]) // 2
        part = scaled[: size[1], left : left + size[0]]
        pictures.append(np.ascontiguousarray(part, np.uint8))
    return pictures
