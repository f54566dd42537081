"""Does a threshold that was set on some people hold for others?

The people of LFW are divided at random into two halves. People with several photos and people with
one photo are divided separately. From all pairs of strangers in the first half follows a threshold
for naming one stranger in a hundred. The product sets it in the same way: from an impostor curve
and the number of enrolled people. In the second half, all people with several photos are enrolled
with the lowest-numbered one. The result is how many of the people with one photo are named (FPIR).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ml_engine.evaluation.calibrate import merged_people
from ml_engine.evaluation.collect import Variant, collect, nearest_centre
from ml_engine.evaluation.lfw import load_of_folds
from ml_engine.evaluation.openset import threshold_at
from ml_engine.evaluation.report import of_folds_text, percent
from ml_engine.matching.calibration import DEFAULT_FPIR, ImpostorCurve
from ml_engine.types import EngineError, Float32

if TYPE_CHECKING:
    from ml_engine.engine import FaceEngine

HALVES = 200
# The band that nine of ten halves should be in.
BAND = (0.004, 0.022)
_LEAST_PEOPLE = 20
# Of all pairs, the most alike ones, among which every threshold lies.
_TOP_SHARE = 0.05
_SEED = 1


@dataclass(frozen=True, slots=True)
class HalvesReport:
    """fpir: 5th, 50th and 95th percentile of `fpirs`. in_band: share of halves within BAND.
    in_band_of_best: the same if all halves had the one threshold that names as many as was asked
    for over all of them. thresholds: percentiles, too."""

    preset: str
    flip: bool
    folds: Sequence[int] | None
    halves: int
    enrolled: int
    strangers: int
    fpir: tuple[float, float, float]
    thresholds: tuple[float, float, float]
    in_band: float
    in_band_of_best: float
    fpirs: list[float] = field(repr=False)

    def as_dict(self) -> dict[str, object]:
        return asdict(self)

    def as_text(self) -> str:
        low, median, high = map(percent, self.fpir)
        return (
            f"{self.preset}{', flip-averaged' if self.flip else ''}{of_folds_text(self.folds)}; "
            f"{self.halves} halves of "
            f"{self.enrolled} enrolled and {self.strangers} strangers\n"
            f"FPIR on the other half where {percent(DEFAULT_FPIR)} was asked for: median {median}, "
            f"nine of ten {low} to {high}\n"
            f"within {percent(BAND[0])} to {percent(BAND[1])}: {percent(self.in_band)} of halves; "
            f"with the best single threshold {percent(self.in_band_of_best)}"
        )


def evaluate_halves(
    engine: FaceEngine,
    data: Path,
    preset: str,
    *,
    flip: bool = False,
    folds: Sequence[int] | None = None,
) -> HalvesReport:
    """folds: only the people in these."""
    photos = load_of_folds(data, folds)
    variant = Variant(preset, flip)
    found = collect(engine, photos.paths, [variant], choose=nearest_centre, title="LFW")
    rows = np.flatnonzero(found.has_face)
    people = merged_people(photos.only(rows))
    return halves_report(
        found.embeddings[variant][rows], people, preset=preset, flip=flip, folds=folds
    )


def halves_report(
    embeddings: Float32,
    people: NDArray[np.intp],
    *,
    preset: str,
    flip: bool,
    folds: Sequence[int] | None = None,
    halves: int = HALVES,
) -> HalvesReport:
    """embeddings (n, d) and people (n,) of photos sorted by person and number."""
    random = np.random.default_rng(_SEED)
    _, first, person, counts = np.unique(
        people, return_index=True, return_inverse=True, return_counts=True
    )
    several, single = np.flatnonzero(counts > 1), np.flatnonzero(counts == 1)
    if min(len(several), len(single)) < _LEAST_PEOPLE:
        raise EngineError(
            f"{_LEAST_PEOPLE} people with several photos are needed, and as many with one: there "
            f"are {len(several)} and {len(single)}."
        )
    pairs = _strangers(embeddings, person)
    fpirs, thresholds, bests = [], [], []
    for _ in tqdm(range(halves), "halves"):
        enrolled, strangers = random.permutation(several), random.permutation(single)
        middle, other = len(several) // 2, len(single) // 2
        curve = pairs.curve_of(np.concatenate([enrolled[:middle], strangers[:other]]))
        gallery, probes = first[enrolled[middle:]], first[strangers[other:]]
        threshold = curve.threshold_for_gallery(len(gallery))
        best = (embeddings[probes] @ embeddings[gallery].T).max(axis=1)
        fpirs.append(float((best >= threshold).mean()))
        thresholds.append(threshold)
        bests.append(best)
    best_threshold = threshold_at(np.concatenate(bests), DEFAULT_FPIR)
    return HalvesReport(
        preset=preset,
        flip=flip,
        folds=folds,
        halves=halves,
        enrolled=len(several) - len(several) // 2,
        strangers=len(single) - len(single) // 2,
        fpir=_range(fpirs),
        thresholds=_range(thresholds),
        in_band=_in_band(fpirs),
        in_band_of_best=_in_band([float((best >= best_threshold).mean()) for best in bests]),
        fpirs=fpirs,
    )


def _in_band(fpirs: list[float]) -> float:
    return float(np.mean([BAND[0] <= fpir <= BAND[1] for fpir in fpirs]))


@dataclass(frozen=True, slots=True)
class _Strangers:
    """The pairs of photos of different people that are most alike: people (pairs, 2), scores
    (pairs,), and how much each counts, so that every two people count the same."""

    people: NDArray[np.intp]
    scores: Float32
    weights: Float32

    def curve_of(self, chosen: NDArray[np.intp]) -> ImpostorCurve:
        """From all pairs of these people: those that are not among the most alike are one pair here
        that is like nobody."""
        is_within = np.isin(self.people, chosen).all(axis=1)
        weights = self.weights[is_within]
        rest = len(chosen) * (len(chosen) - 1) / 2 - weights.sum()
        return ImpostorCurve.from_scores(
            np.append(self.scores[is_within], np.float32(-1)),
            model="half",
            detector="half",
            source="one half of the people",
            weights=np.append(weights, np.float32(rest)),
        )


def _strangers(embeddings: Float32, person: NDArray[np.intp]) -> _Strangers:
    photos = np.bincount(person)[person]
    rows, columns = np.triu_indices(len(person), 1)
    scores = (embeddings @ embeddings.T)[rows, columns]
    scores[person[rows] == person[columns]] = -2.0
    top = np.argpartition(-scores, round(_TOP_SHARE * len(scores)))[
        : round(_TOP_SHARE * len(scores))
    ]
    top = top[scores[top] > -2]
    rows, columns = rows[top], columns[top]
    weights = (1.0 / (photos[rows] * photos[columns])).astype(np.float32)
    return _Strangers(np.stack([person[rows], person[columns]], axis=1), scores[top], weights)


def _range(values: list[float]) -> tuple[float, float, float]:
    low, median, high = np.percentile(values, [5, 50, 95]).tolist()
    return low, median, high
