"""Error against discard: does quality predict which photos are missed?

The pairs of photos of one person with the worst quality are discarded step by step. If quality
predicts errors, the share of pairs that do not match falls (Grother, Tabassi, "Performance of
Biometric Quality Measures", IEEE PAMI 29, 2007).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml_engine.types import Float32

SHARES = tuple(round(0.02 * step, 2) for step in range(16))


@dataclass(frozen=True, slots=True)
class DiscardPoint:
    """discarded: share of the pairs. fnmr: share of the others that do not match."""

    discarded: float
    fnmr: float


def discard_curve(is_missed: NDArray[np.bool_], quality: Float32) -> list[float]:
    """Pairs (n,) of photos of one person, with the quality of the worse photo each: the share that
    is missed among what is left after each of SHARES was discarded."""
    in_order = is_missed[np.argsort(quality, kind="stable")]
    left = [in_order[round(share * len(in_order)) :] for share in SHARES]
    return [float(part.mean()) for part in left]
