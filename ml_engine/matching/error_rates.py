"""Error rates of a gallery, measured on its own pairs.

Two photos of one person are a genuine pair, of two people an impostor pair. Every person counts the
same, and so do every two people, however many photos they have: each pair counts 1 / pairs.

A rate is only as good as its pairs. By the rule of 30 (Doddington, Przybocki, Martin, Reynolds,
"The NIST speaker recognition evaluation: overview, methodology, systems, results, perspective",
Speech Communication 31, 2000) the true rate is within 30 % of the measured one, nine times of ten,
if 30 errors were seen. An error is two people who match. Pairs that share a person are not
independent, so the interval is somewhat wider.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ml_engine.matching.calibration import ImpostorCurve
from ml_engine.matching.cohort import PLAIN, Cohort
from ml_engine.matching.discard import SHARES, DiscardPoint, discard_curve
from ml_engine.matching.gallery_pairs import (
    LEAST_ERRORS,
    Floats,
    GalleryPairs,
    GenuinePairs,
    ImpostorScores,
    Ints,
    SimilarPair,
)
from ml_engine.types import Float32

FMRS = (1e-2, 1e-3, 1e-4, 1e-5)
# A curve must reach at least this rate to be of use.
_USEFUL_FMR = FMRS[0]
# Larger galleries are sampled at random, because pairs grow with the square.
MOST_TEMPLATES = 10_000
MOST_OF_A_PERSON = 50
# Significance level for a pair of strangers that is too similar, corrected for the gallery's size.
_SIGNIFICANCE = 0.05
_DET_POINTS = 120
_BOOTSTRAPS = 500
_SEED = 1


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A threshold for a false-match rate.

    fnmr: share of genuine pairs below the threshold, with its 95 % interval (a bootstrap by
        person); None without genuine pairs.
    false_match_count: pairs of people at or over the threshold.
    has_enough_pairs: whether they are enough to tell the rate.
    """

    fmr: float
    threshold: float
    fnmr: float | None
    fnmr_interval: tuple[float, float] | None
    false_match_count: int
    has_enough_pairs: bool


@dataclass(frozen=True, slots=True)
class DetPoint:
    threshold: float
    fmr: float
    fnmr: float


@dataclass(frozen=True, slots=True)
class ErrorRates:
    """The measured error rates.

    people, templates: how many were compared. repeated: people with genuine pairs.
    impostor_pairs, genuine_pairs: of templates.
    curve: down to the rarest rate with enough pairs.
    points: one for each of FMRS.
    eer, eer_threshold, det: empty without genuine pairs.
    discard, discard_fmr: misses as photos of poor quality are discarded, at the threshold of this
        rate; empty and None without qualities or genuine pairs.
    similar_pairs: the most similar of `similar_pairs_total` pairs of people who would match.
    """

    people: int
    templates: int
    repeated: int
    impostor_pairs: int
    genuine_pairs: int
    curve: ImpostorCurve
    points: tuple[OperatingPoint, ...]
    eer: float | None
    eer_threshold: float | None
    det: tuple[DetPoint, ...]
    discard: tuple[DiscardPoint, ...]
    discard_fmr: float | None
    similar_pairs: tuple[SimilarPair, ...]
    similar_pairs_total: int


class TooFewPeople(ValueError):
    """needed: the least number of people for a curve."""

    def __init__(self, people: int) -> None:
        self.needed = people_needed()
        super().__init__(f"{people} people are too few for a curve: {self.needed} are needed.")


def people_needed() -> int:
    """The least number of people with LEAST_ERRORS pairs at _USEFUL_FMR."""
    pairs = LEAST_ERRORS / _USEFUL_FMR
    return int(np.ceil((1 + np.sqrt(1 + 8 * pairs)) / 2))


def sampled(
    people: Ints, *, most_templates: int = MOST_TEMPLATES, most_each: int = MOST_OF_A_PERSON
) -> Ints:
    """Rows of the templates to compare, rising: all of them, or those of people drawn at random
    (the same ones every time), and at most `most_each` of each person.

    Args:
        people: (n,) the person of each template, numbered from 0.
    """
    random = np.random.default_rng(_SEED)
    shuffled = random.permutation(len(people))
    # Person by person in random order, and a person's templates in random order, too.
    turn = random.permutation(int(people.max(initial=-1)) + 1)
    order = shuffled[np.argsort(turn[people[shuffled]], kind="stable")]
    sizes = np.bincount(turn[people])
    rank = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    order = order[rank < most_each]
    ends = np.append(0, np.cumsum(np.minimum(sizes, most_each)))
    taken = ends[np.searchsorted(ends, most_templates, "right") - 1]  # whole people only
    return np.sort(order[:taken])


def error_rates(
    embeddings: Float32,
    people: Ints,
    *,
    model: str,
    detector: str,
    source: str,
    similar_from: float,
    is_fixed: bool = False,
    reference: ImpostorCurve | None = None,
    cohort: Cohort = PLAIN,
    qualities: Float32 | None = None,
) -> ErrorRates:
    """Compare every template with every other one, in blocks.

    One person who is enrolled twice would spoil the curve, and no number tells such a pair from
    similar strangers. So few pairs are left out, and each is shown: at most the MOST_SIMILAR pairs
    that are listed, and of them only pairs so similar that strangers would hardly reach it once in
    this gallery by the reference. If all of these are strangers after all, a rate that rests on
    LEAST_ERRORS pairs is too low by a third; if there are more doubles, rates and thresholds are
    too high, which is the safe side.

    Args:
        embeddings: (n, d) of length 1.
        people: (n,) the person of each.
        model, detector: the versions that made the embeddings.
        source: description of the photos, for people.
        similar_from: score from which two people match. is_fixed: it was set by hand, and is a
            similarity.
        reference: the curve that comes with the models; its cohort makes the scores.
        cohort: makes the scores if there is no reference, and becomes a part of the curve.
        qualities: (n,) of the photos.

    Raises:
        TooFewPeople: there are too few pairs for a curve down to a useful rate.
        ModelMismatch: the reference was measured with other models.
    """
    if reference is not None:
        reference.check(model, detector)
    names, person = np.unique(people, return_inverse=True)
    if len(names) < people_needed():
        raise TooFewPeople(len(names))
    order = np.argsort(person, kind="stable")
    scoring = reference.scoring if reference else cohort
    gallery = GalleryPairs(embeddings[order], person[order], scoring)
    doubtful = reference.threshold(_SIGNIFICANCE / gallery.pairs_of_people) if reference else np.inf
    strangers, pairs, total = gallery.impostors(
        similar_from, left_out_from=doubtful, is_fixed=is_fixed
    )
    genuine = gallery.genuine()
    discard_fmr: float | None = None
    discard: tuple[DiscardPoint, ...] = ()
    if qualities is not None and len(genuine.people):
        discard_fmr = _rarest(strangers)
        discard = _discard(strangers, genuine, qualities[order], discard_fmr)
    eer, eer_threshold = _equal_error_rate(strangers, genuine)
    return ErrorRates(
        people=len(names),
        templates=len(order),
        repeated=len(genuine.people),
        impostor_pairs=gallery.impostor_pairs,
        genuine_pairs=len(genuine.scores),
        curve=ImpostorCurve(
            model,
            detector,
            *strangers.curve_points(),
            gallery.impostor_pairs,
            source,
            normalisation=scoring.normalisation,
            cohort=None if cohort == PLAIN else cohort,
        ),
        points=tuple(_points(strangers, genuine)),
        eer=eer,
        eer_threshold=eer_threshold,
        det=tuple(_det(strangers, genuine)),
        discard=discard,
        discard_fmr=discard_fmr,
        similar_pairs=tuple(
            SimilarPair(int(names[p.first]), int(names[p.second]), p.similarity, p.is_left_out)
            for p in pairs
        ),
        similar_pairs_total=total,
    )


def _rarest(strangers: ImpostorScores) -> float:
    """The rarest of FMRS that has enough pairs: there the most are missed."""
    return min(filter(strangers.has_enough_pairs, FMRS), default=_USEFUL_FMR)


def _discard(
    strangers: ImpostorScores, genuine: GenuinePairs, qualities: Float32, fmr: float
) -> tuple[DiscardPoint, ...]:
    is_missed = genuine.scores < strangers.threshold(fmr)
    fnmrs = discard_curve(is_missed, qualities[genuine.rows].min(axis=1))
    return tuple(DiscardPoint(share, fnmr) for share, fnmr in zip(SHARES, fnmrs, strict=True))


def _points(strangers: ImpostorScores, genuine: GenuinePairs) -> Iterator[OperatingPoint]:
    thresholds = [strangers.threshold(fmr) for fmr in FMRS]
    intervals = _intervals(genuine, thresholds)
    for fmr, threshold, interval in zip(FMRS, thresholds, intervals, strict=True):
        yield OperatingPoint(
            fmr=fmr,
            threshold=threshold,
            fnmr=genuine.fnmr(threshold) if interval else None,
            fnmr_interval=interval,
            false_match_count=round(strangers.matches(threshold)),
            has_enough_pairs=strangers.has_enough_pairs(fmr),
        )


def _intervals(
    genuine: GenuinePairs, thresholds: Sequence[float]
) -> list[tuple[float, float] | None]:
    """Of the FNMR at each threshold: people are drawn with replacement, with all their pairs."""
    people = len(genuine.people)
    if not people:
        return [None] * len(thresholds)
    random = np.random.default_rng(_SEED)
    missed = np.stack([genuine.missed_by_person(threshold) for threshold in thresholds])
    drawn: list[Floats] = [
        missed @ np.bincount(random.integers(people, size=people), minlength=people) / people
        for _ in range(_BOOTSTRAPS)
    ]
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    return [(float(a), float(b)) for a, b in zip(low, high, strict=True)]


def _equal_error_rate(
    strangers: ImpostorScores, genuine: GenuinePairs
) -> tuple[float | None, float | None]:
    """The rate at which misses and false matches are equal, and its threshold."""
    if not len(genuine.people):
        return None, None
    low, high = -1.0, 1.0
    for _ in range(20):  # halves of a range of 2: finer than a bin
        middle = (low + high) / 2
        if strangers.fmr(middle) > genuine.fnmr(middle):
            low = middle
        else:
            high = middle
    return (strangers.fmr(high) + genuine.fnmr(high)) / 2, round(high, 4)


def _det(strangers: ImpostorScores, genuine: GenuinePairs) -> Iterator[DetPoint]:
    """From the threshold that half of the strangers reach to the most similar pair, or to the
    threshold that half of the genuine pairs miss."""
    if not len(genuine.people):
        return
    last = max(strangers.highest, float(np.median(genuine.scores)))
    for threshold in np.linspace(strangers.threshold(0.5), last, _DET_POINTS).tolist():
        yield DetPoint(round(threshold, 4), strangers.fmr(threshold), genuine.fnmr(threshold))
