"""Vectors seen from the side on which they differ most: their two principal components."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml_engine.types import Float32


@dataclass(frozen=True, slots=True)
class Plane:
    """places: (n, 2) in the plane. share: of the variance that the plane shows."""

    places: Float32
    share: float


def principal_plane(vectors: Float32) -> Plane:
    """Vectors (n, d) to the plane of their largest variance, the same way up every time."""
    centred = vectors - vectors.mean(axis=0)
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    axes = axes[:2] * np.sign(axes[:2].sum(axis=1, keepdims=True) + 1e-9)
    places = np.zeros((len(vectors), 2), np.float32)
    places[:, : len(axes)] = centred @ axes.T
    total = float((sizes**2).sum())
    return Plane(places, float((sizes[:2] ** 2).sum()) / total if total > 0 else 0.0)
