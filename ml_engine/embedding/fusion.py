"""An embedder made of others: their unit vectors, weighted, one after the other.

The cosine of two such vectors is the mean of the parts' cosines, weighted by the squares of the
weights: networks that err on different faces correct each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml_engine.embedding.base import Crop, Embedder, unit
from ml_engine.types import Float32, Image
from ml_engine.zoo import Preset


class FusionEmbedder:
    """See `ml_engine.embedding.base.Embedder`. A crop is a tuple of the parts' crops.

    Args:
        parts: embedders with their weights.
    """

    def __init__(self, card: Preset, parts: Sequence[tuple[Embedder, float]]) -> None:
        self.name = card.name
        self.dimension = sum(part.dimension for part, _ in parts)
        self._parts = list(parts)

    def crops(self, image: Image, landmarks: Float32) -> list[tuple[Crop, ...]]:
        each = [part.crops(image, landmarks) for part, _ in self._parts]
        return list(zip(*each, strict=True))

    def standard_crops(self, crops: list[tuple[Crop, ...]]) -> list[NDArray[np.uint8]] | None:
        for (part, _), own in zip(self._parts, _by_part(crops, len(self._parts)), strict=True):
            if (found := part.standard_crops(own)) is not None:
                return found
        return None

    def embed_crops(self, crops: Sequence[tuple[Crop, ...]], *, flip: bool = False) -> Float32:
        by_part = _by_part(crops, len(self._parts))
        vectors = [
            np.float32(weight) * part.embed_crops(own, flip=flip)
            for (part, weight), own in zip(self._parts, by_part, strict=True)
        ]
        return unit(np.concatenate(vectors, axis=1))


def _by_part(crops: Sequence[tuple[Crop, ...]], parts: int) -> list[list[Any]]:
    return [[crop[number] for crop in crops] for number in range(parts)]
