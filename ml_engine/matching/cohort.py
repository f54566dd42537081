"""What strangers have in common, and what a score owes to it.

Faces that are small, blurred, dark, noisy or compressed are like each other: the vectors of all
faces in one kind of picture share a part, the mean over many strangers. Two faces that lean towards
it by a and b are more similar by a * b, strangers as well, so the threshold rises by that. If only
one of them leans, as a poor frame that is compared with a clear photo, nothing rises.

Some networks make faces that are similar to many strangers even in clear pictures. For these, what
remains is normalised by a crowd (see `ml_engine.matching.crowd`).

Kept are means, and deviations around one, over hundreds of people; no vector of a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ml_engine.matching.crowd import Crowd, Norms
from ml_engine.types import Float32


@dataclass(frozen=True, slots=True)
class Seen:
    """Faces (n, d) as a cohort sees them. leanings: (n, kinds), the part of each in the direction
    of each mean. norms: None without a crowd."""

    vectors: Float32
    leanings: Float32
    norms: Norms | None

    def __getitem__(self, rows: slice | NDArray[np.intp]) -> Seen:
        norms = self.norms[rows] if self.norms else None
        return Seen(self.vectors[rows], self.leanings[rows], norms)


@dataclass(frozen=True, slots=True)
class Scales:
    """From similarities to scores: score = (similarity - rises) / stretches; one of each for each
    pair, (n,) or (m, n)."""

    rises: Float32
    stretches: Float32

    def scores(self, similarities: Float32) -> Float32:
        return (similarities - self.rises) / self.stretches


@dataclass(frozen=True)
class Cohort:
    """Fitted for one embedder with one detector; part of their impostor curve.

    means: for each kind of poor picture the mean (d,) of the vectors of strangers' faces.
    usual: how much of their similarity two faces may owe to a mean before the threshold rises:
        clear faces seldom owe more.
    crowd: normalises scores; None if that does not help this embedder.
    """

    means: Mapping[str, tuple[float, ...]]
    usual: float
    crowd: Crowd | None = None

    @property
    def normalisation(self) -> str:
        """Its name; empty without. Scores of two normalisations are not comparable."""
        return self.crowd.name if self.crowd else ""

    def seen(self, vectors: Float32, norms: Norms | None = None) -> Seen:
        """Faces (n, d) of length 1. norms: of them, if they are known already."""
        if norms is None and self.crowd:
            norms = self.crowd.norms(vectors)
        return Seen(vectors, self._leaning(vectors), norms)

    def scales(self, probes: Seen, templates: Seen) -> Scales:
        """n with n, row by row."""
        leanings = probes.leanings * templates.leanings
        return self._scales(leanings.max(axis=1, initial=0), probes.norms, templates.norms)

    def scores_of_all(self, left: Seen, right: Seen) -> Float32:
        """m with n, each with each, to (m, n)."""
        norms = left.norms.column if left.norms else None
        scales = self._scales(self.shared_of_all(left, right), norms, right.norms)
        return scales.scores(left.vectors @ right.vectors.T)

    def shared_of_all(self, left: Seen, right: Seen) -> Float32:
        """m with n to (m, n): what two faces owe to the mean that both of them lean towards
        most."""
        shared = np.zeros((len(left.vectors), len(right.vectors)), np.float32)
        for a, b in zip(left.leanings.T, right.leanings.T, strict=True):
            np.maximum(shared, np.multiply.outer(a, b), out=shared)
        return shared

    def _scales(self, shared: Float32, left: Norms | None, right: Norms | None) -> Scales:
        rises = np.maximum(shared - np.float32(self.usual), 0)
        if self.crowd is None or left is None or right is None:
            return Scales(rises, np.ones_like(rises))
        # The mean of (similarity - mean) / deviation over both faces is linear in the similarity.
        slopes = (1 / left.deviations + 1 / right.deviations) / 2
        offsets = (left.means / left.deviations + right.means / right.deviations) / 2
        share, spread = self.crowd.share, self.crowd.spread
        stretches = (1 / (1 - share + share * spread * slopes)).astype(np.float32)
        return Scales(rises + stretches * share * (spread * offsets - self.crowd.centre), stretches)

    def _leaning(self, vectors: Float32) -> Float32:
        """(n, d) to (n, kinds): the part in the direction of each mean, at most as long as it."""
        if not self.means:
            return np.zeros((len(vectors), 0), np.float32)
        means, lengths = self._matrix
        return np.clip(vectors @ means.T / lengths, 0, lengths)

    @cached_property
    def _matrix(self) -> tuple[Float32, Float32]:
        """(kinds, d) means, (kinds,) their lengths."""
        means = np.array(list(self.means.values()), np.float32)
        return means, np.linalg.norm(means, axis=1).astype(np.float32)

    def to_dict(self) -> dict[str, object]:
        means = {kind: list(mean) for kind, mean in self.means.items()}
        crowd = {"crowd": self.crowd.to_dict()} if self.crowd else {}
        return {"means": means, "usual": self.usual, **crowd}

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> Cohort:
        """Read what `to_dict` gave. KeyError, TypeError or ValueError if it is something else."""
        means: Mapping[str, list[float]] = values["means"]  # type: ignore[assignment]
        crowd: Mapping[str, object] | None = values.get("crowd")  # type: ignore[assignment]
        return cls(
            means={kind: tuple(map(float, mean)) for kind, mean in means.items()},
            usual=float(values["usual"]),  # type: ignore[arg-type]
            crowd=Crowd.from_dict(crowd) if crowd is not None else None,
        )


# Scores are similarities.
PLAIN = Cohort({}, 0.0)
