"""What every embedder offers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ml_engine.types import Float32, Image

# One face cut out as an embedder wants it: an array (size, size, 3) uint8, or several of them.
Crop = Any


class Embedder(Protocol):
    """Not thread-safe but for `crops`: it has one owner. `name`, `dimension`: of the preset."""

    name: str
    dimension: int

    def crops(self, image: Image, landmarks: Float32) -> list[Crop]:
        """Landmarks (n, 5, 2) of one image to n crops. Thread-safe."""

    def standard_crops(self, crops: list[Crop]) -> list[NDArray[np.uint8]] | None:
        """The cut on which quality is measured, where it is among the crops."""

    def embed_crops(self, crops: Sequence[Crop], *, flip: bool = False) -> Float32:
        """n crops to (n, d) of length 1. `flip` averages each with its mirror image: twice the
        cost, fewer errors."""


def unit(vectors: Float32) -> Float32:
    """Rows scaled to length 1."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(norms, 1e-12)).astype(np.float32)
