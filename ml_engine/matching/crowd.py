"""How similar a face is to people in general: adaptive normalisation of scores.

Some faces are similar to many strangers, and some networks make many such faces. So each face is
compared with a crowd of strangers, and a similarity is counted from the mean of the most similar of
them, in units of their deviation. A pair takes the mean over its two faces ("adaptive s-norm":
Matejka and others, "Analysis of Score Normalization in Multilingual Speaker Recognition",
Interspeech 2017).

The crowd is drawn at random from the mean and the covariance of the faces of many people. No person
is in it, and it is the same on every machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ml_engine.types import Float32

# The size of the crowd, and the share of it that is the most similar to a face.
DRAWN = 2000
NEAREST = 0.3
_SEED = 1
# Directions that hold this share of the variance are kept, at most one for so many people: more
# would tell who these people are.
_VARIANCE = 0.99
_PEOPLE_FOR_EACH = 8
_DIGITS = 5
# Of the usual deviation. No face of LFW has less.
_LEAST_DEVIATION = np.float32(0.6)
_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class Norms:
    """Of n faces: mean and deviation (n,) of the similarities with the nearest of the crowd."""

    means: Float32
    deviations: Float32

    def __getitem__(self, rows: slice | NDArray[np.intp]) -> Norms:
        return Norms(self.means[rows], self.deviations[rows])

    @property
    def column(self) -> Norms:
        """(n, 1), to be compared with each of a row."""
        return Norms(self.means[:, None], self.deviations[:, None])


@dataclass(frozen=True)
class Crowd:
    """Part of the cohort of a curve; see `ml_engine.matching.cohort`.

    mean: (d,) of faces. axes: (r, d), the directions in which they vary, each as long as their
        deviation along it.
    centre, spread: put scores on the scale of similarities: score = centre + spread * normalised.
    """

    mean: tuple[float, ...]
    axes: tuple[tuple[float, ...], ...]
    centre: float = 0.0
    spread: float = 1.0

    def norms(self, vectors: Float32) -> Norms:
        """Faces (n, d) of length 1."""
        found = np.empty((2, len(vectors)), np.float32)
        for start in range(0, len(vectors), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            found[:, part] = of_nearest(vectors[part] @ self._drawn.T)
        return Norms(found[0], np.maximum(found[1], self._least_deviation))

    @property
    def name(self) -> str:
        """Tells one normalisation from another: `crowd@hash`."""
        values = np.array([*self.mean, *np.ravel(self.axes), self.centre, self.spread])
        return f"crowd@{hashlib.sha256(values.tobytes()).hexdigest()[:12]}"

    @cached_property
    def _least_deviation(self) -> Float32:
        """A face that is unlike everybody has a small deviation: its scores must not explode."""
        return _LEAST_DEVIATION * np.median(of_nearest(self._drawn @ self._drawn.T)[1])

    @cached_property
    def _drawn(self) -> Float32:
        """(DRAWN, d) of length 1. RandomState draws the same numbers in every version of NumPy."""
        axes = np.array(self.axes)
        normal = np.random.RandomState(_SEED).standard_normal((DRAWN, len(axes)))
        drawn = np.array(self.mean) + normal @ axes
        return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)

    def to_dict(self) -> dict[str, object]:
        axes = [list(axis) for axis in self.axes]
        return {
            "mean": list(self.mean),
            "axes": axes,
            "centre": self.centre,
            "spread": self.spread,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> Crowd:
        """Read what `to_dict` gave. KeyError, TypeError or ValueError if it is something else."""
        axes: list[list[float]] = values["axes"]  # type: ignore[assignment]
        return cls(
            mean=tuple(map(float, values["mean"])),  # type: ignore[call-overload]
            axes=tuple(tuple(map(float, axis)) for axis in axes),
            centre=float(values["centre"]),  # type: ignore[arg-type]
            spread=float(values["spread"]),  # type: ignore[arg-type]
        )


def of_nearest(similarities: Float32) -> tuple[Float32, Float32]:
    """(n, crowd) to mean and deviation (n,) of the nearest in each row."""
    nearest = max(2, round(NEAREST * similarities.shape[1]))
    best = np.partition(similarities, -nearest, axis=1)[:, -nearest:]
    return best.mean(axis=1), best.std(axis=1)


def fitted_crowd(vectors: Float32, people: NDArray[np.intp]) -> Crowd:
    """vectors: (n, d) of length 1. people: (n,) the person of each; all people count the same."""
    _, owner, counts = np.unique(people, return_inverse=True, return_counts=True)
    weights = 1.0 / (counts[owner] * len(counts))
    mean = weights @ vectors
    centred = (vectors - mean) * np.sqrt(weights)[:, None]
    variances, directions = np.linalg.eigh(centred.T @ centred)
    variances, directions = np.maximum(variances[::-1], 0), directions[:, ::-1].T
    kept = int(np.searchsorted(np.cumsum(variances) / variances.sum(), _VARIANCE)) + 1
    kept = min(kept, max(1, len(counts) // _PEOPLE_FOR_EACH))
    axes = directions[:kept] * np.sqrt(variances[:kept, None])
    return Crowd(
        mean=tuple(np.round(mean, _DIGITS).tolist()),
        axes=tuple(map(tuple, np.round(axes, _DIGITS).tolist())),
    )
