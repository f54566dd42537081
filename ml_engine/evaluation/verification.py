"""Verification on LFW: are these two photos of one person?

Accuracy follows the data set's protocol: for each fold the threshold that is best on the other
folds. LFW is saturated in it, so the important figure is the share of all genuine pairs that match
(TMR) at a threshold that a given share of all pairs of strangers reaches (FMR).

A photo in which no face was found is a failure: its pairs count as wrong in the protocol, and as
not matched among the genuine ones. Pairs of strangers with such a photo are left out: counted as
not matched, they would make a rate look lower than it is.

Intervals are bootstraps over people, not over pairs: all pairs of one person succeed or fail
together. Each drawing moves the threshold, too, since it draws the strangers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ml_engine.evaluation.collect import Variant, collect, nearest_centre
from ml_engine.evaluation.lfw import Pairs, Photos, load_pairs, load_photos, of_folds
from ml_engine.evaluation.report import percent
from ml_engine.types import EngineError, Float32

if TYPE_CHECKING:
    from ml_engine.engine import FaceEngine

RATES = (1e-2, 1e-3, 1e-4, 1e-5)
# How many points of the curve are kept for the picture.
_CURVE_POINTS = 200
_BOOTSTRAPS = 1000
# Drawings use only the strangers' highest scores: enough to include every rate.
_DRAWN_SHARE = 3 * max(RATES)
_SEED = 1


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """tmr: share of genuine pairs at or above `threshold`, which `fmr` of the strangers reach."""

    fmr: float
    tmr: float
    threshold: float


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """fold_numbers: from 1; folds: the accuracy of each. accuracy: their mean; standard_error: of
    that mean. intervals: 95 % of each point's TMR. roc: (fmr, tmr) for drawing."""

    preset: str
    flip: bool
    photos: int
    without_face: list[str]
    fold_numbers: list[int]
    folds: list[float]
    accuracy: float
    standard_error: float
    genuine_pairs: int
    impostor_pairs: int
    points: list[OperatingPoint]
    intervals: list[tuple[float, float]]
    roc: list[tuple[float, float]] = field(repr=False)

    def as_dict(self) -> dict[str, object]:
        return asdict(self)

    def as_text(self) -> str:
        lost = f" ({', '.join(self.without_face)})" if self.without_face else ""
        lines = [
            f"{self.preset}{', flip-averaged' if self.flip else ''}: {self.photos:,} "
            f"photos, {len(self.without_face)} without a face{lost}",
            f"accuracy {percent(self.accuracy)} ± {percent(self.standard_error)} over "
            f"{len(self.folds)} folds ("
            + ", ".join(
                f"{number}: {percent(fold)}"
                for number, fold in zip(self.fold_numbers, self.folds, strict=True)
            )
            + ")",
            f"{self.genuine_pairs:,} genuine and {self.impostor_pairs:,} impostor pairs:",
        ]
        lines += [
            f"  at FMR {point.fmr:.0e}  TMR {point.tmr:.4f} ({low:.4f} to {high:.4f})  threshold "
            f"{point.threshold:.4f}"
            for point, (low, high) in zip(self.points, self.intervals, strict=True)
        ]
        return "\n".join(lines)


def evaluate_lfw(
    engine: FaceEngine,
    data: Path,
    preset: str,
    *,
    flip: bool = False,
    folds: Sequence[int] | None = None,
    pairs_file: Path | None = None,
) -> VerificationReport:
    """Embed every photo of LFW and compare. folds: only the people in these."""
    photos = load_photos(data)
    pairs = load_pairs(data, photos, pairs_file)
    if folds is not None:
        _, photos, pairs = of_folds(photos, pairs, folds)
    variant = Variant(preset, flip)
    found = collect(engine, photos.paths, [variant], choose=nearest_centre, title="LFW")
    return report(photos, pairs, found.embeddings[variant], found.has_face, variant)


def report(
    photos: Photos,
    pairs: Pairs,
    embeddings: Float32,
    has_face: NDArray[np.bool_],
    variant: Variant,
) -> VerificationReport:
    """All figures from embeddings (n, d); those of photos without a face are ignored."""
    folds = fold_accuracies(pairs, embeddings, has_face)
    intervals = tmr_intervals(embeddings, photos.people, has_face, RATES)
    genuine, impostors = all_scores(embeddings, photos.people, has_face)
    if not len(genuine) or not len(impostors):
        raise EngineError("Verification needs people with several photos, and several people.")
    order = np.sort(impostors)[::-1]
    rates = np.geomspace(1 / len(order), 1, _CURVE_POINTS)
    return VerificationReport(
        preset=variant.preset,
        flip=variant.flip,
        photos=len(photos),
        without_face=[photos.paths[row].stem for row in np.flatnonzero(~has_face)],
        fold_numbers=(1 + np.unique(pairs.folds)).tolist(),
        folds=folds.tolist(),
        accuracy=float(folds.mean()),
        standard_error=float(folds.std(ddof=1) / np.sqrt(len(folds))),
        genuine_pairs=len(genuine),
        impostor_pairs=len(impostors),
        points=[operating_point(genuine, order, rate) for rate in RATES],
        intervals=intervals,
        roc=[(float(r), operating_point(genuine, order, float(r)).tmr) for r in rates],
    )


def operating_point(genuine: Float32, impostors: Float32, fmr: float) -> OperatingPoint:
    """`impostors`: falling. The threshold is the score that `fmr` of them reach."""
    threshold = impostors[max(1, round(fmr * len(impostors))) - 1]
    return OperatingPoint(fmr, float((genuine >= threshold).mean()), float(threshold))


def fold_accuracies(
    pairs: Pairs, embeddings: Float32, has_face: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Accuracy of each fold at the threshold that is best on the others."""
    left, right = embeddings[pairs.rows[:, 0]], embeddings[pairs.rows[:, 1]]
    scores = np.einsum("nd,nd->n", left, right)
    is_lost = ~has_face[pairs.rows].all(axis=1)
    scores[is_lost] = np.where(pairs.is_same[is_lost], -2.0, 2.0)  # wrong at every threshold
    accuracies = []
    if len(np.unique(pairs.folds)) < 2:
        raise EngineError("Accuracy needs two folds: the threshold of each comes from the others.")
    for fold in np.unique(pairs.folds):
        is_test = pairs.folds == fold
        threshold = best_threshold(scores[~is_test], pairs.is_same[~is_test])
        accuracies.append(np.mean((scores[is_test] >= threshold) == pairs.is_same[is_test]))
    return np.array(accuracies)


def best_threshold(scores: Float32, is_same: NDArray[np.bool_]) -> float:
    """The threshold that tells most pairs apart; the middle of several."""
    candidates = np.unique(scores)
    same, other = np.sort(scores[is_same]), np.sort(scores[~is_same])
    right = len(same) - np.searchsorted(same, candidates) + np.searchsorted(other, candidates)
    return float(candidates[right == right.max()].mean())


def all_scores(
    embeddings: Float32, people: NDArray[np.intp], has_face: NDArray[np.bool_]
) -> tuple[Float32, Float32]:
    """Similarities of all genuine pairs (-2 if a photo has no face) and of all pairs of
    strangers whose photos both have one."""
    genuine, impostors = [], []
    for row in range(len(embeddings) - 1):
        others = slice(row + 1, None)
        scores = embeddings[others] @ embeddings[row]
        is_same = people[others] == people[row]
        has_both = has_face[others] & has_face[row]
        genuine.append(np.where(has_both, scores, -2.0)[is_same])
        impostors.append(scores[~is_same & has_both])
    return np.concatenate(genuine).astype(np.float32), np.concatenate(impostors)


def tmr_intervals(
    embeddings: Float32,
    people: NDArray[np.intp],
    has_face: NDArray[np.bool_],
    rates: Sequence[float],
    drawings: int = _BOOTSTRAPS,
) -> list[tuple[float, float]]:
    """95 % of the TMR at each rate. People are drawn with replacement: a person who is drawn twice
    counts twice in every pair."""
    _, owner, photos = np.unique(people, return_inverse=True, return_counts=True)
    faces = np.bincount(owner, has_face, len(photos))
    genuine, of_genuine, impostors, of_impostors = _pairs_with_owners(embeddings, owner, has_face)
    random = np.random.default_rng(_SEED)
    tmr = []
    for _ in range(drawings):
        drawn = np.bincount(random.integers(len(photos), size=len(photos)), minlength=len(photos))
        weights = drawn[of_impostors[:, 0]] * drawn[of_impostors[:, 1]]
        several = drawn * faces
        pairs = (several.sum() ** 2 - (several**2).sum()) / 2
        ranks = np.searchsorted(np.cumsum(weights), [max(1, rate * pairs) for rate in rates])
        thresholds = impostors[ranks.clip(max=len(impostors) - 1)]
        counts = drawn[of_genuine]
        is_matched = genuine >= thresholds[:, None]
        tmr.append(is_matched @ counts / max(1, counts.sum()))
    low, high = np.percentile(tmr, [2.5, 97.5], axis=0)
    return list(zip(low.tolist(), high.tolist(), strict=True))


def _pairs_with_owners(
    embeddings: Float32, owner: NDArray[np.intp], has_face: NDArray[np.bool_]
) -> tuple[Float32, NDArray[np.intp], Float32, NDArray[np.intp]]:
    """Scores of all genuine pairs and their person; of the strangers with the highest scores, best
    first, and both people (pairs, 2)."""
    left, right = np.triu_indices(len(owner), 1)
    scores = (embeddings @ embeddings.T)[left, right]
    has_both = has_face[left] & has_face[right]
    is_same = owner[left] == owner[right]
    genuine = np.where(has_both, scores, -2.0)[is_same].astype(np.float32)
    strangers = np.flatnonzero(~is_same & has_both)
    count = min(len(strangers), max(1000, round(_DRAWN_SHARE * len(strangers))))
    strangers = strangers[np.argpartition(-scores[strangers], count - 1)[:count]]
    strangers = strangers[np.argsort(-scores[strangers])]
    owners = np.stack([owner[left[strangers]], owner[right[strangers]]], axis=1)
    return genuine, owner[left[is_same]], scores[strangers], owners
