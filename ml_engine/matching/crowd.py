"""How similar a face is to people in general: adaptive normalisation of scores.

Some faces are similar to many strangers, and some networks make many such faces. So each face is
compared with a crowd of strangers, and a similarity is counted from the mean of the most similar of
them, in units of their deviation. A pair takes the mean over its two faces ("adaptive s-norm":
Matejka and others, "Analysis of Score Normalization in Multilingual Speaker Recognition",
Interspeech 2017). Half of the score is normalised so, and half is the similarity: that misses fewer
people than either, above all with means of several photos.

The crowd is drawn at random from groups of people, of which only means and deviations are kept. No
person is in it, and it is the same on every machine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml_engine.types import Float32

# The size of the crowd, and the share of it that is the most similar to a face.
DRAWN = 2000
NEAREST = 0.3
_SEED = 1
# Directions that hold this share of the variance are kept, at most so many.
_VARIANCE = 0.99
_MOST_AXES = 64
# One direction for so many people at least, and one group: more would tell who these people are.
_PEOPLE_FOR_AXIS, _PEOPLE_FOR_GROUP, _LEAST_GROUP = 8, 32, 20
_MOST_GROUPS = 16
_DIGITS = 4
# Of the usual deviation. No face of LFW has less.
_LEAST_DEVIATION = 0.6
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


@dataclass(frozen=True, slots=True)
class Group:
    """Some of the people, along the axes of a crowd. share: of the people. centre: (r,) their mean.
    deviations: (r,) from it."""

    share: float
    centre: tuple[float, ...]
    deviations: tuple[float, ...]


@dataclass(frozen=True)
class Crowd:
    """Part of the cohort of a curve; see `ml_engine.matching.cohort`.

    mean: (d,) of faces. axes: (r, d), the directions in which they vary the most.
    centre, spread: put normalised scores on the scale of similarities: centre + spread * score.
    share: of a score that is normalised; the rest is the similarity.
    """

    mean: tuple[float, ...]
    axes: tuple[tuple[float, ...], ...]
    groups: tuple[Group, ...]
    centre: float = 0.0
    spread: float = 1.0
    share: float = 0.5

    def norms(self, vectors: Float32) -> Norms:
        """Faces (n, d) of length 1."""
        found = np.empty((2, len(vectors)), np.float32)
        for start in range(0, len(vectors), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            found[:, part] = of_nearest(vectors[part] @ self._drawn.T)
        least_mean, least_deviation = self._least
        return Norms(np.maximum(found[0], least_mean), np.maximum(found[1], least_deviation))

    @property
    def name(self) -> str:
        """Tells one normalisation from another: `crowd@hash`."""
        text = json.dumps(self.to_dict(), sort_keys=True)
        return f"crowd@{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    @cached_property
    def _least(self) -> tuple[np.float32, np.float32]:
        """Mean and deviation. A face that is unlike everybody has less of both: it must not match
        another one only because the two are less unlike."""
        means, deviations = of_nearest(self._drawn @ self._drawn.T)
        return np.float32(means.min()), np.float32(_LEAST_DEVIATION * np.median(deviations))

    @cached_property
    def _drawn(self) -> Float32:
        """(DRAWN, d) of length 1. RandomState draws the same numbers in every version of NumPy."""
        random = np.random.RandomState(_SEED)
        shares = np.array([group.share for group in self.groups])
        chosen = random.choice(len(shares), DRAWN, p=shares / shares.sum())
        centres, deviations = (
            np.array([getattr(group, name) for group in self.groups])[chosen]
            for name in ("centre", "deviations")
        )
        places = centres + random.standard_normal(centres.shape) * deviations
        drawn = np.array(self.mean) + places @ np.array(self.axes)
        return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)

    def to_dict(self) -> dict[str, object]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Crowd:
        """Read what `to_dict` gave. KeyError, TypeError or ValueError if it is something else."""
        return cls(
            mean=_numbers(values["mean"]),
            axes=tuple(map(_numbers, values["axes"])),
            groups=tuple(
                Group(float(each["share"]), *(_numbers(each[n]) for n in ("centre", "deviations")))
                for each in values["groups"]
            ),
            centre=float(values["centre"]),
            spread=float(values["spread"]),
            share=float(values["share"]),
        )


def _numbers(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(map(float, values))


def _rounded(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(round(float(value), _DIGITS) for value in values)


def of_nearest(similarities: Float32) -> tuple[Float32, Float32]:
    """(n, crowd) to mean and deviation (n,) of the nearest in each row."""
    nearest = max(2, round(NEAREST * similarities.shape[1]))
    best = np.partition(similarities, -nearest, axis=1)[:, -nearest:]
    return best.mean(axis=1), best.std(axis=1)


def fitted_crowd(vectors: Float32, people: NDArray[np.intp]) -> Crowd:
    """Of one face of each person. vectors: (n, d) of length 1. people: (n,) the person of each."""
    faces = vectors[np.unique(people, return_index=True)[1]].astype(np.float64)
    mean = faces.mean(axis=0)
    _, sizes, axes = np.linalg.svd(faces - mean, full_matrices=False)
    kept = int(np.searchsorted(np.cumsum(sizes**2) / (sizes**2).sum(), _VARIANCE)) + 1
    axes = axes[: max(1, min(kept, _MOST_AXES, len(faces) // _PEOPLE_FOR_AXIS))]
    return Crowd(
        mean=_rounded(mean),
        axes=tuple(map(_rounded, axes)),
        groups=tuple(_groups((faces - mean) @ axes.T)),
    )


def _groups(places: NDArray[np.float64]) -> Iterator[Group]:
    """People (n, r) along the axes to groups of people who are alike, without the small ones."""
    from sklearn.mixture import GaussianMixture

    count = max(1, min(_MOST_GROUPS, len(places) // _PEOPLE_FOR_GROUP))
    found = GaussianMixture(count, covariance_type="diag", reg_covar=1e-5, random_state=_SEED)
    found.fit(places)
    least = min(_LEAST_GROUP / len(places), found.weights_.max())
    for share, centre, variances in zip(
        found.weights_, found.means_, found.covariances_, strict=True
    ):
        if share >= least:
            yield Group(round(float(share), _DIGITS), _rounded(centre), _rounded(variances**0.5))
