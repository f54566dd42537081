"""Vectors for tests: random directions, and people as clouds around one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ml_engine.types import Float32


def unit_vectors(count: int, dimension: int, *, seed: int = 0) -> Float32:
    vectors = np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def people(
    count: int, looks: int, dimension: int, *, spread: float = 0.5, seed: int = 0
) -> tuple[Float32, NDArray[np.int64]]:
    """(count * looks, d) unit vectors, and the person (0 .. count-1) of each."""
    centres = np.repeat(unit_vectors(count, dimension, seed=seed), looks, axis=0)
    vectors = centres + spread * unit_vectors(count * looks, dimension, seed=seed + 1)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors, np.repeat(np.arange(count), looks)
