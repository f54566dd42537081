"""Running a converted network on made-up faces: does it give one answer, whoever is beside it?"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml_engine.runtime.network import Network
from ml_engine.types import Float32, ModelRefused

_FACES = 8
# Of unit vectors; float32 in another order of sums gives 1e-6.
_TOLERANCE = 1e-4
_MAX_DIMENSION = 1 << 16


@dataclass(frozen=True, slots=True)
class Probe:
    """vectors: (n, d) of the made-up faces. length: their mean length before they are made 1.
    difference: the largest between a face alone and in batches. face_ms: CPU time for one face."""

    vectors: Float32
    length: float
    difference: float
    face_ms: float


def probe(network: Network, size: int) -> Probe:
    """Args:

    network: takes RGB pixels (n, size, size, 3).

    Raises:
        ModelRefused: no vectors come out, or others in other batches, or the same for all faces.
    """
    faces = made_up_faces(size)
    alone = np.concatenate([_vectors(network, face[None]) for face in faces])
    lengths = np.linalg.norm(alone, axis=1)
    if not np.isfinite(alone).all() or not lengths.all():
        raise ModelRefused("The network gives vectors that are not finite, or are 0.")
    started = time.process_time()
    together = _vectors(network, faces)
    face_ms = (time.process_time() - started) * 1000 / len(faces)
    difference = max(
        _difference(alone[order], _vectors(network, faces[order]))
        for order in (np.array([5, 0, 3]), np.arange(_FACES)[::-1], np.array([2]))
    )
    difference = max(difference, _difference(alone, together))
    if difference > _TOLERANCE:
        raise ModelRefused(
            f"A face gets another vector in another batch (they differ by {difference:.2g}): is "
            "the network set to training?"
        )
    if _difference(alone[:-1], alone[1:]) < 1e-6:
        raise ModelRefused("The network gives the same vector for all faces.")
    return Probe(alone, float(lengths.mean()), difference, round(face_ms, 2))


def made_up_faces(size: int, count: int = _FACES) -> NDArray[np.uint8]:
    """Smooth coloured patterns (count, size, size, 3), the same at every call."""
    import cv2

    rough = np.random.default_rng(7).integers(0, 256, (count, 8, 8, 3), np.uint8)
    return np.stack([cv2.resize(face, (size, size)) for face in rough]).astype(np.uint8)


def same_vectors(one: Float32, other: Float32) -> bool:
    """Whether both are (n, d) of the same directions."""
    return one.shape == other.shape and _difference(one, other) <= _TOLERANCE


def _vectors(network: Network, faces: NDArray[np.uint8]) -> Float32:
    vectors = network.run(faces)[0]
    if (
        vectors.ndim != 2
        or len(vectors) != len(faces)
        or not 2 <= vectors.shape[1] < _MAX_DIMENSION
    ):
        raise ModelRefused(f"The output is {vectors.shape} for {len(faces)} faces: no vector each.")
    return vectors


def _difference(one: Float32, other: Float32) -> float:
    def unit(vectors: Float32) -> Float32:
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    return float(np.abs(unit(one) - unit(other)).max())
