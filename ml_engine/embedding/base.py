"""The contract of every embedder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from ml_engine.types import Float32

# One face cut out for an embedder: an array (size, size, 3) uint8, or a tuple of several.
Crop = Any


class Embedder(Protocol):
    """Not thread-safe: it has one owner. dimension: of its vectors."""

    dimension: int

    def embed_crops(self, crops: Sequence[Crop], *, flip: bool = False) -> Float32:
        """n crops to (n, d) of length 1. `flip` averages each with its mirror image: twice the
        cost, fewer errors."""


def unit(vectors: Float32) -> Float32:
    """Rows scaled to length 1."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(norms, 1e-12)).astype(np.float32)
