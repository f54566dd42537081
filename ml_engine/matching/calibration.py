"""The meaning of a score: how often two strangers reach it.

An impostor curve holds, for one embedder and one detector, the similarity that a share of all
impostor pairs reaches or exceeds: the detector places the landmarks that faces are cut out by, so
another one gives other scores. Between its points, and beyond the last one, the logarithm of the
rate falls linearly with the score, as the tails of such scores do to a good approximation; beyond
the last point it is an extrapolation along the last decade, and `is_extrapolated` says so.

A collection's own curve is short: few people make few pairs. `continued_by` extends it along the
curve that comes with the models.

Faces in poor pictures are more like each other than clear ones, and some faces are like many
strangers. A curve says how much, by its `cohort`; what is compared with a threshold, and has a
rate, is the score that the cohort makes of a similarity. The mean of several templates is somewhat
more like everybody than one template is: `mean_rises`. A curve belongs to an embedder, a detector
and a normalisation: scores of two normalisations are not comparable.

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
from typing import Any

import numpy as np

from ml_engine.matching.cohort import PLAIN, Cohort
from ml_engine.types import Float32, ModelMismatch
from ml_engine.zoo import PRESETS

_CURVES_DIR = Path(__file__).resolve().parent.parent / "zoo" / "curves"
# By default one stranger in a hundred may be given a name.
DEFAULT_FPIR = 0.01
# Comparing two faces is one comparison: strangers may match in one of a thousand.
VERIFY_FMR = 1e-3
# Points of a new curve: three a decade, as long as MIN_PAIRS pairs or more reach the score.
RATES = (0.9, *(step * 10.0**-decade for decade in range(1, 9) for step in (5, 2, 1)))
MIN_PAIRS = 7
# The extension is stretched by the ratio of both curves between this rate and the own curve's end.
_BULK_RATE = 0.1
_LEAST_STRETCH, _MOST_STRETCH = 0.9, 1.25
# The extension assumes rates at most this many times lower than the model's.
_RARER_AT_MOST = 100.0


@dataclass(frozen=True, slots=True)
class ImpostorCurve:
    """Measured with one version of an embedder and of a detector.

    model, detector: these versions, `name@hash`.
    scores: rising. rates: the false-match rate at each, falling.
    pairs: how many were compared. source: of the pairs, for people.
    measured_until: beyond this score the points are extrapolated; None if all are measured.
    normalisation: the name of that of the scores; empty if there is none.
    cohort: makes scores of similarities; None if they are the same.
    mean_rises: for so many templates of a person, rising, how much higher strangers score with
        their mean than with one of them.
    """

    model: str
    detector: str
    scores: tuple[float, ...]
    rates: tuple[float, ...]
    pairs: int
    source: str
    measured_until: float | None = None
    normalisation: str = ""
    cohort: Cohort | None = None
    mean_rises: tuple[tuple[int, float], ...] = ()

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
        # A curve that was extended along another one may go beyond 1.
        return float(min(1.0, np.interp(-wanted, -logs, self.scores)))

    def threshold_for_gallery(self, templates: int, fpir: float = DEFAULT_FPIR) -> float:
        """A stranger is compared with every template: each may match no more often than
        fpir / templates, so that one of them does no more often than `fpir`."""
        return self.threshold(fpir / max(1, templates))

    @property
    def scoring(self) -> Cohort:
        """Makes scores of similarities."""
        return self.cohort or PLAIN

    def mean_rise(self, templates: int) -> float:
        """How much higher strangers score with the mean of so many templates of one person."""
        counts = np.log([1, *(count for count, _ in self.mean_rises)])
        return float(np.interp(np.log(templates), counts, [0, *(r for _, r in self.mean_rises)]))

    def is_extrapolated(self, score: float) -> bool:
        return score > (self.scores[-1] if self.measured_until is None else self.measured_until)

    def continued_by(self, model: ImpostorCurve) -> ImpostorCurve:
        """This curve, extended beyond its last point by the model's, which is shifted to meet it.

        The extension is also stretched by the ratio of the two curves between one in ten and the
        last point, limited to 0.9 to 1.25, because few pairs measure it badly. Its rates are at
        least a hundredth of the model's at the same score.

        Galleries of 80 to 1,200 people of LFW named 0.9 % to 1.3 % of strangers in the median at a
        target of 1 %, even along a curve whose scores were too low by a tenth
        (`python -m benchmarks.laboratory recalibration`).

        Raises:
            ModelMismatch: it belongs to another embedder, detector or normalisation.
        """
        self.check(model.model, model.detector)
        if self.normalisation != model.normalisation:
            raise ModelMismatch("The curves were measured with different normalisations.")
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
            self,
            scores=tuple(points),
            rates=tuple(points.values()),
            measured_until=reached,
            cohort=model.cohort,
            mean_rises=model.mean_rises,
        )

    def check(self, model: str, detector: str) -> None:
        """ModelMismatch unless it was measured with these versions."""
        if (self.model, self.detector) != (model, detector):
            raise ModelMismatch(
                f"The curve was measured with {self.model} and {self.detector}, not with {model} "
                f"and {detector}."
            )

    def _tail_slope(self) -> float:
        """Slope of the rate's logarithm over the last decade: between closer points it is noise."""
        rates = np.array(self.rates)
        decade = np.flatnonzero(rates >= 10 * rates[-1] * (1 - 1e-9))
        first = int(decade[-1]) if len(decade) else 0
        rise = self.scores[-1] - self.scores[first]
        return float(np.log(rates[-1] / rates[first]) / rise)

    @classmethod
    def from_scores(
        cls,
        scores: Float32,
        *,
        model: str,
        detector: str,
        source: str,
        weights: Float32 | None = None,
    ) -> ImpostorCurve:
        """The curve of pairs of strangers, for a model or for one collection.

        Args:
            scores: (pairs,) their similarities, in any order.
            weights: (pairs,) how much each counts. With 1 / (photos of the one * photos of the
                other), every two people count the same, as enrolled people do.

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
        rates = tuple(points.values())
        return cls(model, detector, tuple(points), rates, len(scores), source)

    def to_dict(self) -> dict[str, object]:
        return {
            "model": self.model,
            "detector": self.detector,
            "pairs": self.pairs,
            "source": self.source,
            "scores": list(self.scores),
            "rates": list(self.rates),
            **({} if self.measured_until is None else {"measured_until": self.measured_until}),
            **({"normalisation": self.normalisation} if self.normalisation else {}),
            **({} if self.cohort is None else {"cohort": self.cohort.to_dict()}),
            **({"mean_rises": [list(rise) for rise in self.mean_rises]} if self.mean_rises else {}),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ImpostorCurve:
        """Read what `to_dict` gave. KeyError, TypeError or ValueError if it is something else."""
        measured_until, cohort = values.get("measured_until"), values.get("cohort")
        return cls(
            model=str(values["model"]),
            detector=str(values["detector"]),
            scores=tuple(map(float, values["scores"])),
            rates=tuple(map(float, values["rates"])),
            pairs=int(values["pairs"]),
            source=str(values["source"]),
            measured_until=None if measured_until is None else float(measured_until),
            normalisation=str(values.get("normalisation", "")),
            cohort=None if cohort is None else Cohort.from_dict(cohort),
            mean_rises=tuple((int(n), float(rise)) for n, rise in values.get("mean_rises", ())),
        )


def read_curve(path: Path, *, model: str, detector: str) -> ImpostorCurve:
    """A curve of these versions, as `python -m ml_engine.evaluation calibrate` writes it.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no curve.
        ModelMismatch: it was measured with another embedder or detector.
    """
    try:
        curve = ImpostorCurve.from_dict(json.loads(path.read_text()))
        scores, rates = np.array(curve.scores), np.array(curve.rates)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError("This is not an impostor score curve.") from error
    curve.check(model, detector)
    if len(scores) != len(rates) or len(scores) < 2:
        raise ValueError("A curve has two points or more, each with a score and a rate.")
    if not ((np.diff(scores) > 0).all() and (np.abs(scores) <= 1).all()):
        raise ValueError("Its scores must rise, from -1 to 1.")
    if not ((np.diff(rates) < 0).all() and rates[-1] > 0 and rates[0] <= 1):
        raise ValueError("Its rates must fall, from 1 to more than 0.")
    return curve


def curve_of(embedder: str, detector: str) -> ImpostorCurve:
    """The curve of the zoo for a pair of models.

    Args:
        embedder, detector: a version `name@hash` each, or the name of a preset for its version of
            today.

    Raises:
        KeyError: the zoo has no curve for this pair at these versions.
    """
    pair = (_version(embedder), _version(detector))
    if pair not in _curves():
        raise KeyError(f"There is no impostor score curve for {pair[0]} with {pair[1]}.")
    return _curves()[pair]


def _version(model: str) -> str:
    known = PRESETS.get(model)
    return known.version if known else model


@cache
def _curves() -> dict[tuple[str, str], ImpostorCurve]:
    """All curves of the zoo, by the versions of embedder and detector."""
    files = _CURVES_DIR.glob("*.json")
    curves = [ImpostorCurve.from_dict(json.loads(file.read_text())) for file in files]
    return {(curve.model, curve.detector): curve for curve in curves}
