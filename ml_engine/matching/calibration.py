"""What a score means: how often two strangers reach it.

An impostor curve holds, for one model, the similarity that a share of all impostor pairs reaches
or exceeds. Between its points, and beyond the last one, the logarithm of the rate falls linearly
with the score, as the tails of such scores do to a good approximation; beyond the last point it is
an extrapolation along the last decade, and `is_extrapolated` says so.

A stranger is compared with all who are enrolled, so a rate of false names (FPIR) becomes a rate of
false matches (FMR) by the size of the gallery. On LFW, a threshold set in this way from one half of
the people for one false name in a hundred gave 1.04 % on the other half, in the median of 200
halves (`python -m ml_engine.evaluation halves`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from ml_engine.types import Float32

_CURVES_DIR = Path(__file__).resolve().parent.parent / "zoo" / "curves"
# One visit of a stranger in a hundred may be given a name, by default.
DEFAULT_FPIR = 0.01
# Points of a curve that is built: three a decade, down to where enough pairs are left.
_RATES = (0.9, *(step * 10.0**-decade for decade in range(1, 9) for step in (5, 2, 1)))
_MIN_PAIRS = 7


@dataclass(frozen=True, slots=True)
class ImpostorCurve:
    """model: preset. scores: rising. rates: false-match rate at each, falling. source: of the
    pairs, for people. pairs: how many were compared."""

    model: str
    scores: tuple[float, ...]
    rates: tuple[float, ...]
    pairs: int
    source: str

    def fmr(self, score: float) -> float:
        """How often a comparison of two strangers reaches `score`."""
        logs = np.log(self.rates)
        if score > self.scores[-1]:
            return float(np.exp(logs[-1] + self._tail_slope() * (score - self.scores[-1])))
        return float(np.exp(np.interp(score, self.scores, logs)))

    def threshold(self, fmr: float) -> float:
        """The least score that strangers reach no more often than `fmr`; at most 1."""
        logs = np.log(self.rates)
        wanted = np.log(max(fmr, 1e-300))
        if wanted < logs[-1]:
            return float(min(1.0, self.scores[-1] + (wanted - logs[-1]) / self._tail_slope()))
        return float(np.interp(-wanted, -logs, self.scores))

    def threshold_for_gallery(self, templates: int, fpir: float = DEFAULT_FPIR) -> float:
        """A stranger is compared with every template: each may match no more often than
        fpir / templates, so that one of them does no more often than `fpir`."""
        return self.threshold(fpir / max(1, templates))

    def is_extrapolated(self, score: float) -> bool:
        return score > self.scores[-1]

    def _tail_slope(self) -> float:
        """Of the logarithm, over the last decade: points nearer to each other are noise."""
        rates = np.array(self.rates)
        decade = np.flatnonzero(rates >= 10 * rates[-1] * (1 - 1e-9))
        first = int(decade[-1]) if len(decade) else 0
        rise = self.scores[-1] - self.scores[first]
        return float(np.log(rates[-1] / rates[first]) / rise)

    @classmethod
    def from_scores(
        cls, model: str, scores: Float32, source: str, weights: Float32 | None = None
    ) -> ImpostorCurve:
        """The curve of pairs of strangers, for a model or for one collection.

        Args:
            scores: (pairs,) their similarities, in any order.
            weights: (pairs,) how much each counts. With 1 / (photos of the one * photos of the
                other), every two people count the same, as those who are enrolled will.

        Raises:
            ValueError: too few pairs for two points.
        """
        order = np.argsort(-scores)
        counted = np.ones(len(scores)) if weights is None else weights.astype(np.float64)
        reached = np.cumsum(counted[order]) / counted.sum()
        ranks = np.searchsorted(reached, np.array(_RATES) * (1 - 1e-9))
        kept = [n for n, rank in enumerate(ranks) if _MIN_PAIRS <= rank + 1 <= len(scores)]
        points: dict[float, float] = {}  # rising scores; of equal ones the highest rate stands
        for n in kept:
            points.setdefault(float(scores[order[ranks[n]]]), _RATES[n])
        if len(points) < 2:
            raise ValueError(f"{len(scores)} pairs of strangers are too few for a curve.")
        return cls(model, tuple(points), tuple(points.values()), len(scores), source)

    def to_dict(self) -> dict[str, object]:
        return {
            "model": self.model,
            "pairs": self.pairs,
            "source": self.source,
            "scores": list(self.scores),
            "rates": list(self.rates),
        }

    @classmethod
    def from_dict(cls, values: dict) -> ImpostorCurve:
        return cls(
            model=values["model"],
            scores=tuple(values["scores"]),
            rates=tuple(values["rates"]),
            pairs=int(values["pairs"]),
            source=values["source"],
        )


@cache
def curve_of(preset: str) -> ImpostorCurve:
    """The curve that comes with a preset; KeyError where it has none."""
    path = _CURVES_DIR / f"{preset}.json"
    if not path.exists():
        raise KeyError(f"The preset {preset} has no impostor score curve.")
    return ImpostorCurve.from_dict(json.loads(path.read_text()))
