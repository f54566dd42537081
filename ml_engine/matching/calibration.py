"""What a score means: how often two strangers reach it.

An impostor curve holds, for one model, the similarity that a share of all impostor pairs reaches
or exceeds. Between its points, and beyond the last one, the logarithm of the rate falls linearly
with the score, as the tails of such scores do to a good approximation; beyond the last point it is
an extrapolation along the last decade, and `is_extrapolated` says so.

A collection's own curve is short: few people make few pairs. `continued_by` takes it on along the
curve that comes with the model.

A stranger is compared with all who are enrolled, so a rate of false names (FPIR) becomes a rate of
false matches (FMR) by the size of the gallery. On LFW, a threshold set in this way from one half of
the people for one false name in a hundred gave 1.04 % on the other half, in the median of 200
halves (`python -m benchmarks.laboratory halves`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from ml_engine.types import Float32

_CURVES_DIR = Path(__file__).resolve().parent.parent / "zoo" / "curves"
# One visit of a stranger in a hundred may be given a name, by default.
DEFAULT_FPIR = 0.01
# Points of a curve that is built: three a decade, down to where so many pairs are left.
RATES = (0.9, *(step * 10.0**-decade for decade in range(1, 9) for step in (5, 2, 1)))
MIN_PAIRS = 7
# From here to its end, an own curve tells how much wider or narrower than the model's it is.
_BULK_RATE = 0.1
_LEAST_STRETCH, _MOST_STRETCH = 0.9, 1.25
# Strangers in a collection are believed to be this much rarer at a score than the model's, at most.
_RARER_AT_MOST = 100.0


@dataclass(frozen=True, slots=True)
class ImpostorCurve:
    """model: preset. scores: rising. rates: false-match rate at each, falling. source: of the
    pairs, for people. pairs: how many were compared. measured_to: beyond this score points are
    no measurement; None where all of them are."""

    model: str
    scores: tuple[float, ...]
    rates: tuple[float, ...]
    pairs: int
    source: str
    measured_to: float | None = None

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
        # A curve that was taken on along another one may go beyond what scores can be.
        return float(min(1.0, np.interp(-wanted, -logs, self.scores)))

    def threshold_for_gallery(self, templates: int, fpir: float = DEFAULT_FPIR) -> float:
        """A stranger is compared with every template: each may match no more often than
        fpir / templates, so that one of them does no more often than `fpir`."""
        return self.threshold(fpir / max(1, templates))

    def is_extrapolated(self, score: float) -> bool:
        return score > (self.scores[-1] if self.measured_to is None else self.measured_to)

    def continued_by(self, model: ImpostorCurve) -> ImpostorCurve:
        """This curve, and from its last point on that of the model, moved to meet it there.

        It is also stretched: as the two compare between one in ten and the last point, but by a
        tenth less and a quarter more at most, for few pairs tell little of it. And it goes no lower
        than where the model's strangers are a hundred times as many.

        Galleries of 80 to 1,200 people of LFW named 0.9 % to 1.3 % of strangers in the median where
        1 % was asked for, even along a curve whose scores were too low by a tenth
        (`python -m benchmarks.laboratory recalibration`).
        """
        last, reached = self.rates[-1], self.scores[-1]
        at_last = model.threshold(last)
        bulk = at_last - model.threshold(_BULK_RATE)
        stretch = (reached - self.threshold(_BULK_RATE)) / bulk if bulk > 0 else 1.0
        stretch = min(max(stretch, _LEAST_STRETCH), _MOST_STRETCH)
        points = dict(zip(self.scores, self.rates, strict=True))
        for score, rate in zip(model.scores, model.rates, strict=True):
            if rate < last:
                moved = reached + stretch * (score - at_last)
                points.setdefault(max(moved, model.threshold(rate * _RARER_AT_MOST)), rate)
        return replace(
            self, scores=tuple(points), rates=tuple(points.values()), measured_to=reached
        )

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
        ranks = np.searchsorted(reached, np.array(RATES) * (1 - 1e-9))
        kept = [n for n, rank in enumerate(ranks) if MIN_PAIRS <= rank + 1 <= len(scores)]
        points: dict[float, float] = {}  # rising scores; of equal ones the highest rate stands
        for n in kept:
            points.setdefault(float(scores[order[ranks[n]]]), RATES[n])
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
            **({} if self.measured_to is None else {"measured_to": self.measured_to}),
        }

    @classmethod
    def from_dict(cls, values: dict) -> ImpostorCurve:
        """What `to_dict` gave. KeyError, TypeError, ValueError where it is something else."""
        measured_to = values.get("measured_to")
        return cls(
            model=values["model"],
            scores=tuple(map(float, values["scores"])),
            rates=tuple(map(float, values["rates"])),
            pairs=int(values["pairs"]),
            source=str(values["source"]),
            measured_to=None if measured_to is None else float(measured_to),
        )


def read_curve(path: Path, *, model: str) -> ImpostorCurve:
    """A curve of this model, as `python -m ml_engine.evaluation calibrate` writes it.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no curve, or another model's.
    """
    try:
        curve = ImpostorCurve.from_dict(json.loads(path.read_text()))
        scores, rates = np.array(curve.scores), np.array(curve.rates)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError("This is not an impostor score curve.") from error
    if curve.model != model:
        raise ValueError(f"This curve is of {curve.model}, not of {model}.")
    if len(scores) != len(rates) or len(scores) < 2:
        raise ValueError("A curve has two points or more, each with a score and a rate.")
    if not ((np.diff(scores) > 0).all() and (np.abs(scores) <= 1).all()):
        raise ValueError("Its scores must rise, from -1 to 1.")
    if not ((np.diff(rates) < 0).all() and rates[-1] > 0 and rates[0] <= 1):
        raise ValueError("Its rates must fall, from 1 to more than 0.")
    return curve


@cache
def curve_of(preset: str) -> ImpostorCurve:
    """The curve that comes with a preset; KeyError where it has none."""
    path = _CURVES_DIR / f"{preset}.json"
    if not path.exists():
        raise KeyError(f"The preset {preset} has no impostor score curve.")
    return ImpostorCurve.from_dict(json.loads(path.read_text()))
