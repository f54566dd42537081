"""An embedder made of others: their unit vectors, weighted, one after the other.

The cosine of two such vectors is the mean of the parts' cosines, weighted by the squares of the
weights: networks that err on different faces correct each other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ml_engine.embedding.base import Crop, Embedder, unit
from ml_engine.types import Float32


class FusionEmbedder:
    """See `ml_engine.embedding.base.Embedder`. A crop is a tuple of the parts' crops.

    Args:
        parts: embedders with their weights.
    """

    def __init__(self, parts: Sequence[tuple[Embedder, float]]) -> None:
        self.dimension = sum(part.dimension for part, _ in parts)
        self._parts = list(parts)

    def embed_crops(self, crops: Sequence[tuple[Crop, ...]], *, flip: bool = False) -> Float32:
        vectors = [
            np.float32(weight) * part.embed_crops([crop[number] for crop in crops], flip=flip)
            for number, (part, weight) in enumerate(self._parts)
        ]
        return unit(np.concatenate(vectors, axis=1))
