"""Embeddings of many photos, through the engine and with a progress bar.

Several threads hand over a photo each, so the engine forms its batches as it does in service.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ml_engine.evaluation.degradations import spoiled
from ml_engine.images import decode_image
from ml_engine.request import Wanted
from ml_engine.types import Face, Float32, Image

if TYPE_CHECKING:
    from ml_engine.engine import FaceEngine

_CALLERS = 8
# Chooses one of the faces of a photo.
Choice = Callable[[Sequence[Face], Image], Face]


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to embed."""

    preset: str
    flip: bool = False


@dataclass(frozen=True, slots=True)
class Collected:
    """faces: the chosen face of each photo; None if none was found. embeddings: for each variant
    (n, d), zeros for a photo without a face: it is similar to none."""

    faces: list[Face | None]
    embeddings: dict[Variant, Float32]

    @property
    def has_face(self) -> NDArray[np.bool_]:
        return np.array([face is not None for face in self.faces])


def nearest_centre(faces: Sequence[Face], image: Image) -> Face:
    """The face in the middle: what LFW's photos are centred on."""
    height, width = image.shape[:2]
    middle = np.array([width, height], np.float32) / 2
    return min(faces, key=lambda f: float(np.linalg.norm((f.box[:2] + f.box[2:]) / 2 - middle)))


def largest(faces: Sequence[Face], image: Image) -> Face:
    """The largest face: what a portrait shows."""
    return max(faces, key=lambda face: face.size_px)


def collect(
    engine: FaceEngine,
    paths: Sequence[Path],
    variants: Sequence[Variant],
    *,
    choose: Choice,
    title: str,
    min_face_px: int | None = None,
    kind: str = "clean",
) -> Collected:
    """Detect once, choose one face of each photo, embed it in every variant.

    kind: the photos are spoiled so first, see `ml_engine.evaluation.degradations`.
    """
    for variant in variants:
        engine.embedder(variant.preset)

    def one(path: Path) -> tuple[Face | None, list[Float32]]:
        image = spoiled(decode_image(path.read_bytes()), kind, zlib.crc32(path.name.encode()))
        faces = engine.find([image], Wanted(min_face_px=min_face_px))[0]
        if not faces:
            return None, []
        face = choose(faces, image)
        return face, [_embedding(engine, image, face, variant) for variant in variants]

    with ThreadPoolExecutor(_CALLERS) as pool:
        found = list(tqdm(pool.map(one, paths), title, len(paths), unit="photo"))
    embeddings = {
        variant: _stacked(
            [vectors[column] if face else None for face, vectors in found],
            engine.embedder(variant.preset).dimension,
        )
        for column, variant in enumerate(variants)
    }
    return Collected([face for face, _ in found], embeddings)


def _embedding(engine: FaceEngine, image: Image, face: Face, variant: Variant) -> Float32:
    embedded = engine.embed(image, [face], embedder=variant.preset, flip=variant.flip)[0]
    assert embedded.embedding is not None
    return embedded.embedding


def _stacked(rows: list[Float32 | None], dimension: int) -> Float32:
    nothing = np.zeros(dimension, np.float32)
    return np.stack([nothing if row is None else row for row in rows])
