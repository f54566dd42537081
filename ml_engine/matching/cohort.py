"""What strangers in poor pictures have in common, and how much the threshold rises for it.

Faces that are small, blurred, dark, noisy or compressed are like each other: the vectors of all
faces in one kind of picture share a part, the mean over many strangers. Two faces that lean towards
it by a and b are more similar by a * b, strangers as well, so the threshold rises by that. If only
one of them leans, as a poor frame that is compared with a clear photo, nothing rises.

Kept are means over hundreds of people, no vector of anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ml_engine.types import Float32


@dataclass(frozen=True)
class Cohort:
    """Fitted for one embedder with one detector; part of their impostor curve.

    means: for each kind of poor picture the mean (d,) of the vectors of strangers' faces.
    usual: how much of their similarity two faces may owe to a mean before the threshold rises:
        clear faces seldom owe more.
    """

    means: Mapping[str, tuple[float, ...]]
    usual: float

    def rises(self, probes: Float32, templates: Float32) -> Float32:
        """(n, d) against (n, d), row by row, to (n,): how much higher the threshold is for each
        pair than for clear faces, in similarity."""
        leanings = self._leaning(probes) * self._leaning(templates)
        return np.maximum(leanings.max(axis=1) - np.float32(self.usual), 0)

    def rises_of_all(self, left: Float32, right: Float32) -> Float32:
        """(m, d) against (n, d), each with each, to (m, n)."""
        return np.maximum(self.shared_of_all(left, right) - np.float32(self.usual), 0)

    def shared_of_all(self, left: Float32, right: Float32) -> Float32:
        """(m, d) against (n, d) to (m, n): what two faces owe to the mean that both of them lean
        towards most."""
        shared = np.zeros((len(left), len(right)), np.float32)
        for a, b in zip(self._leaning(left).T, self._leaning(right).T, strict=True):
            np.maximum(shared, np.multiply.outer(a, b), out=shared)
        return shared

    def _leaning(self, vectors: Float32) -> Float32:
        """(n, d) to (n, kinds): the part in the direction of each mean, at most as long as it."""
        means, lengths = self._matrix
        return np.clip(vectors @ means.T / lengths, 0, lengths)

    @cached_property
    def _matrix(self) -> tuple[Float32, Float32]:
        """(kinds, d) means, (kinds,) their lengths."""
        means = np.array(list(self.means.values()), np.float32)
        return means, np.linalg.norm(means, axis=1).astype(np.float32)

    def to_dict(self) -> dict[str, object]:
        means = {kind: list(mean) for kind, mean in self.means.items()}
        return {"means": means, "usual": self.usual}

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> Cohort:
        """Read what `to_dict` gave. KeyError, TypeError or ValueError if it is something else."""
        means: Mapping[str, list[float]] = values["means"]  # type: ignore[assignment]
        return cls(
            means={kind: tuple(map(float, mean)) for kind, mean in means.items()},
            usual=float(values["usual"]),  # type: ignore[arg-type]
        )
