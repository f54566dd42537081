"""Verification between two kinds of pictures of the same people, with intervals over people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml_engine.types import Float32

RATES = (1e-2, 1e-3, 1e-4)
_DRAWINGS = 300
# Of the impostor pairs, drawings need the highest scores only.
_KEPT_SHARE = 3 * max(RATES)
_SEED = 1


@dataclass(frozen=True, slots=True)
class Crossing:
    """tmr: share of genuine pairs that match at each of RATES. drawn: (drawings, rates) the same of
    people drawn with replacement, the same people for every model."""

    tmr: tuple[float, ...]
    drawn: NDArray[np.float64]

    def interval(self, rate: int) -> tuple[float, float]:
        low, high = np.percentile(self.drawn[:, rate], [2.5, 97.5])
        return float(low), float(high)

    def gain_over(self, other: Crossing, rate: int) -> tuple[float, float, float]:
        """The difference of the TMR with its 95 % interval."""
        differences = self.drawn[:, rate] - other.drawn[:, rate]
        low, high = np.percentile(differences, [2.5, 97.5])
        return self.tmr[rate] - other.tmr[rate], float(low), float(high)


def cross(gallery: Float32, probes: Float32, people: NDArray[np.intp]) -> Crossing:
    """Compare each picture of the gallery with each probe but the one of the same photo.

    Args:
        gallery, probes: (n, d) of length 1, both of the same n photos.
        people: (n,).
    """
    names, owner = np.unique(people, return_inverse=True)
    scores = gallery @ probes.T
    is_same = owner[:, None] == owner[None]
    left, right = np.nonzero(is_same & ~np.eye(len(owner), dtype=bool))
    genuine, of_genuine = scores[left, right], owner[left]
    impostors, of_impostors = _highest(scores, is_same, owner)
    random = np.random.default_rng(_SEED)
    everybody = np.ones(len(names), int)
    drawings = [everybody]
    for _ in range(_DRAWINGS):
        drawn = random.integers(len(names), size=len(names))
        drawings.append(np.bincount(drawn, minlength=len(names)))
    photos = np.bincount(owner)
    rows = []
    for drawn in drawings:
        several = drawn * photos
        pairs = several.sum() ** 2 - (several**2).sum()
        counted = np.cumsum(drawn[of_impostors[:, 0]] * drawn[of_impostors[:, 1]])
        ranks = np.searchsorted(counted, [max(1, rate * pairs) for rate in RATES])
        thresholds = impostors[ranks.clip(max=len(impostors) - 1)]
        weights = drawn[of_genuine]
        rows.append((genuine >= thresholds[:, None]) @ weights / max(1, weights.sum()))
    return Crossing(tuple(rows[0].tolist()), np.array(rows[1:]))


def _highest(
    scores: Float32, is_same: NDArray[np.bool_], owner: NDArray[np.intp]
) -> tuple[Float32, NDArray[np.intp]]:
    """The highest impostor scores, falling, and both people of each."""
    left, right = np.nonzero(~is_same)
    found = scores[left, right]
    count = min(len(found), max(1000, round(_KEPT_SHARE * len(found))))
    rows = np.argpartition(-found, count - 1)[:count]
    rows = rows[np.argsort(-found[rows])]
    return found[rows], np.stack([owner[left[rows]], owner[right[rows]]], axis=1)
