"""Error rates of a gallery from its own pairs: how alike people are to themselves and to others.

Two pictures of one person are a genuine pair, of two people an impostor pair. Every person counts
the same, and so do every two people, however many pictures they have: 1 / pairs each.

A rate is only as good as the pairs that it rests on. By the rule of 30 (Doddington, Przybocki,
Martin, Reynolds, "The NIST speaker recognition evaluation: overview, methodology, systems, results,
perspective", Speech Communication 31, 2000) the true rate is within 30 % of the measured one, nine
times of ten, where 30 errors were seen. Here an error is two people taken for one. Pairs that share
a person are not independent, so the interval is somewhat wider.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml_engine.matching.calibration import RATES, ImpostorCurve
from ml_engine.types import Float32

LEAST_ERRORS = 30
FMRS = (1e-2, 1e-3, 1e-4, 1e-5)
# A curve that goes no further is of no use.
_USEFUL_FMR = FMRS[0]
# Beyond these, pictures and people are drawn by chance: pairs grow with the square.
MOST_TEMPLATES = 10_000
MOST_OF_A_PERSON = 50
# Of people who look like one, so many are named and left out.
MOST_ALIKE = 10
# Nobody would meet such a pair by chance in more than one of twenty galleries of this size.
_DOUBTFUL = 0.05
_BINS = 20_000  # of scores, -1 to 1
_CELLS = 2_000_000  # of scores looked at together
_DET_POINTS = 120
_BOOTSTRAPS = 500
_SEED = 1

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class SimilarPair:
    """Two people who look like one. first, second: as in `people`. is_left_out: of the curve."""

    first: int
    second: int
    similarity: float
    is_left_out: bool


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """fnmr: share of genuine pairs below `threshold`, None without any, with its 95 % interval
    (a bootstrap by person). confused: pairs of people at or over it. has_enough_pairs: they are
    enough."""

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
    """people, templates: compared. repeated: people with genuine pairs. impostor_pairs,
    genuine_pairs: of templates. curve: as far as the pairs carry. points: for FMRS. eer, det: only
    with genuine pairs. similar_pairs: of people who would match each other, the most alike of
    `similar_pairs_total` pairs.
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
    similar_pairs: tuple[SimilarPair, ...]
    similar_pairs_total: int


class TooFewPeople(ValueError):
    """needed: so many people carry a curve."""

    def __init__(self, people: int) -> None:
        self.needed = people_needed()
        super().__init__(f"{people} people are too few for a curve: {self.needed} are needed.")


def people_needed() -> int:
    """So many that LEAST_ERRORS pairs of them are the share _USEFUL_FMR of all."""
    pairs = LEAST_ERRORS / _USEFUL_FMR
    return int(np.ceil((1 + np.sqrt(1 + 8 * pairs)) / 2))


def sampled(
    people: Ints, *, most_templates: int = MOST_TEMPLATES, most_each: int = MOST_OF_A_PERSON
) -> Ints:
    """Rows of the templates to compare, rising: all, or those of people drawn by chance (the same
    ones every time), and of each person `most_each` at most.

    Args:
        people: (n,) the person of each template, numbered from 0.
    """
    random = np.random.default_rng(_SEED)
    shuffled = random.permutation(len(people))
    # Person by person in a chance order, and a person's templates in one, too.
    turn = random.permutation(int(people.max(initial=-1)) + 1)
    order = shuffled[np.argsort(turn[people[shuffled]], kind="stable")]
    sizes = np.bincount(turn[people])
    rank = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    order = order[rank < most_each]
    ends = np.append(0, np.cumsum(np.minimum(sizes, most_each)))
    taken = ends[np.searchsorted(ends, most_templates, "right") - 1]  # whole people alone
    return np.sort(order[:taken])


def error_rates(
    embeddings: Float32,
    people: Ints,
    *,
    model: str,
    source: str,
    similar_from: float,
    reference: ImpostorCurve | None = None,
) -> ErrorRates:
    """Compare every template with every other one, in blocks.

    People who are one person enrolled twice would spoil the curve, and no number tells them from
    strangers who are alike. So what is left out is little and seen: the MOST_ALIKE pairs of people
    at most, those that are named, and of them only whose similarity strangers would hardly reach
    once in this gallery after the reference. Were all of these strangers after all, a rate that
    rests on LEAST_ERRORS pairs would be too low by a third; were there more doubles than these, it
    is too high, and the threshold with it: the safe side.

    Args:
        embeddings: (n, d) of length 1.
        people: (n,) the person of each.
        similar_from: similarity from which two people would match.
        reference: the curve that comes with the model.

    Raises:
        TooFewPeople: the pairs carry no curve down to a useful rate.
    """
    names, person = np.unique(people, return_inverse=True)
    if len(names) < people_needed():
        raise TooFewPeople(len(names))
    order = np.argsort(person, kind="stable")
    gallery = _Gallery(embeddings[order], person[order])
    histogram, alike, total = gallery.impostors(similar_from)
    doubtful = reference.threshold(_DOUBTFUL / gallery.pairs_of_people) if reference else np.inf
    pairs = [SimilarPair(int(a), int(b), score, score >= doubtful) for a, b, score in alike]
    for pair in pairs:
        if pair.is_left_out:
            histogram -= gallery.histogram_of(pair.first, pair.second)
    strangers = _Strangers(histogram, gallery.pairs_of_people - sum(p.is_left_out for p in pairs))
    curve = strangers.curve(model, gallery.impostor_pairs, source)
    genuine = gallery.genuine()
    eer, eer_threshold = _equal_error_rate(strangers, genuine)
    return ErrorRates(
        people=len(names),
        templates=len(order),
        repeated=len(genuine.people),
        impostor_pairs=gallery.impostor_pairs,
        genuine_pairs=len(genuine.scores),
        curve=curve,
        points=tuple(_points(strangers, genuine)),
        eer=eer,
        eer_threshold=eer_threshold,
        det=tuple(_det(strangers, genuine)),
        similar_pairs=tuple(
            SimilarPair(int(names[p.first]), int(names[p.second]), p.similarity, p.is_left_out)
            for p in pairs
        ),
        similar_pairs_total=total,
    )


class _Genuine:
    """scores: (pairs,) of pairs of one person. people: (p,) those who have any; (pairs,) owner."""

    def __init__(self, scores: Float32, owners: Ints) -> None:
        self.scores = scores
        self.people, self._owner, counts = np.unique(
            owners, return_inverse=True, return_counts=True
        )
        self._counts = counts

    def missed_by_person(self, threshold: float) -> Floats:
        """(p,) the share of each person's pairs below the threshold."""
        missed = np.bincount(self._owner[self.scores < threshold], minlength=len(self.people))
        return missed / self._counts

    def fnmr(self, threshold: float) -> float:
        return float(self.missed_by_person(threshold).mean())


class _Gallery:
    """Embeddings sorted by person, who are numbered from 0."""

    def __init__(self, embeddings: Float32, person: Ints) -> None:
        self._embeddings, self._person = embeddings, person
        self._sizes = np.bincount(person)
        self._starts = np.concatenate([[0], np.cumsum(self._sizes)])
        self._weight = 1.0 / self._sizes[person]

    @property
    def pairs_of_people(self) -> int:
        people = len(self._sizes)
        return people * (people - 1) // 2

    @property
    def impostor_pairs(self) -> int:
        return int(len(self._person) ** 2 - (self._sizes**2).sum()) // 2

    def impostors(self, similar_from: float) -> tuple[Floats, list[tuple[int, int, float]], int]:
        """Their histogram, weighted; the most alike people, and how many pairs of them there are
        from `similar_from` on."""
        histogram = np.zeros(_BINS)
        best: list[tuple[int, int, float]] = []
        total = 0
        for rows in self._blocks():
            later = slice(rows.start, None)
            scores = self._embeddings[rows] @ self._embeddings[later].T
            is_other = self._person[later] > self._person[rows, None]  # so each pair comes once
            weights = (self._weight[rows, None] * self._weight[later])[is_other]
            histogram += np.bincount(_bins(scores[is_other]), weights, minlength=_BINS)
            alike, count = self._similar_pair(scores, rows, is_other & (scores >= similar_from))
            total += count
            best = sorted([*best, *alike], key=lambda pair: -pair[2])[:MOST_ALIKE]
        return histogram, best, total

    def histogram_of(self, first: int, second: int) -> Floats:
        """Of the pairs of these two people alone."""
        scores = self._of(first) @ self._of(second).T
        return np.bincount(_bins(scores.ravel()), minlength=_BINS) / scores.size

    def genuine(self) -> _Genuine:
        several = np.flatnonzero(self._sizes > 1)
        scores, owners = [np.empty(0, np.float32)], [np.empty(0, np.intp)]
        for person in several.tolist():
            mine = self._of(person)
            rows, columns = np.triu_indices(len(mine), 1)
            scores.append((mine @ mine.T)[rows, columns])
            owners.append(np.full(len(rows), person))
        return _Genuine(np.concatenate(scores), np.concatenate(owners))

    def _blocks(self) -> Iterator[slice]:
        """Rows of whole people, so few that their scores with all others stay small."""
        most = max(1, _CELLS // len(self._person))
        start = 0
        while start < len(self._person):
            after = int(np.searchsorted(self._starts, start + most, "right")) - 1
            end = int(self._starts[max(after, int(self._person[start]) + 1)])
            yield slice(start, end)
            start = end

    def _similar_pair(
        self, scores: Float32, rows: slice, is_alike: NDArray[np.bool_]
    ) -> tuple[list[tuple[int, int, float]], int]:
        """The most alike pairs of people of a block, and how many pairs there are; each pair of
        people by their most similar templates."""
        left, right = np.nonzero(is_alike)
        first, second = self._person[rows][left], self._person[rows.start :][right]
        pairs, pair = np.unique(first * len(self._sizes) + second, return_inverse=True)
        best = np.full(len(pairs), -1.0)
        np.maximum.at(best, pair, scores[left, right])
        top = np.argsort(-best)[:MOST_ALIKE]
        named = (divmod(int(pairs[n]), len(self._sizes)) for n in top)
        return [(a, b, float(best[n])) for (a, b), n in zip(named, top, strict=True)], len(pairs)

    def _of(self, person: int) -> Float32:
        return self._embeddings[self._starts[person] : self._starts[person + 1]]


class _Strangers:
    """How many pairs of people reach a score."""

    def __init__(self, histogram: Floats, pairs: float) -> None:
        # (bins + 1,) pairs at or over the lower edge of each bin; none over the last.
        self._reached = np.append(np.cumsum(histogram[::-1])[::-1], 0.0)
        self._pairs = pairs

    def confused(self, threshold: float) -> float:
        edge = int(np.ceil((threshold + 1) * _BINS / 2 - 1e-6))
        return float(self._reached[min(edge, _BINS)])  # rounding takes scores beyond 1

    def fmr(self, threshold: float) -> float:
        return self.confused(threshold) / self._pairs

    def threshold(self, fmr: float) -> float:
        """The least edge of a bin that no more than the share `fmr` reach."""
        edge = np.searchsorted(-self._reached, -fmr * self._pairs - 1e-9)
        return round(float(edge) * 2 / _BINS - 1, 4)

    def carries(self, fmr: float) -> bool:
        return fmr * self._pairs >= LEAST_ERRORS

    @property
    def highest(self) -> float:
        """What the most alike pair reaches."""
        return self.threshold(1 / self._pairs)

    def curve(self, model: str, pairs: int, source: str) -> ImpostorCurve:
        points: dict[float, float] = {}  # of equal scores the highest rate stands
        for rate in filter(self.carries, RATES):
            points.setdefault(self.threshold(rate), rate)
        return ImpostorCurve(model, tuple(points), tuple(points.values()), pairs, source)


def _bins(scores: Float32) -> Ints:
    return np.clip((scores + 1) * (_BINS / 2), 0, _BINS - 1).astype(np.intp)


def _points(strangers: _Strangers, genuine: _Genuine) -> Iterator[OperatingPoint]:
    thresholds = [strangers.threshold(fmr) for fmr in FMRS]
    intervals = _intervals(genuine, thresholds)
    for fmr, threshold, interval in zip(FMRS, thresholds, intervals, strict=True):
        yield OperatingPoint(
            fmr=fmr,
            threshold=threshold,
            fnmr=genuine.fnmr(threshold) if interval else None,
            fnmr_interval=interval,
            false_match_count=round(strangers.confused(threshold)),
            has_enough_pairs=strangers.carries(fmr),
        )


def _intervals(genuine: _Genuine, thresholds: Sequence[float]) -> list[tuple[float, float] | None]:
    """Of the FNMR at each threshold: people are drawn with replacement, with all their pairs."""
    people = len(genuine.people)
    if not people:
        return [None] * len(thresholds)
    random = np.random.default_rng(_SEED)
    missed = np.stack([genuine.missed_by_person(threshold) for threshold in thresholds])
    drawn = [
        missed @ np.bincount(random.integers(people, size=people), minlength=people) / people
        for _ in range(_BOOTSTRAPS)
    ]
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    return [(float(a), float(b)) for a, b in zip(low, high, strict=True)]


def _equal_error_rate(
    strangers: _Strangers, genuine: _Genuine
) -> tuple[float | None, float | None]:
    """The rate at which as many are missed as are confused, and its threshold."""
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


def _det(strangers: _Strangers, genuine: _Genuine) -> Iterator[DetPoint]:
    """From where half of the strangers match to where the pairs end, or half are missed."""
    if not len(genuine.people):
        return
    last = max(strangers.highest, float(np.median(genuine.scores)))
    for threshold in np.linspace(strangers.threshold(0.5), last, _DET_POINTS).tolist():
        yield DetPoint(round(threshold, 4), strangers.fmr(threshold), genuine.fnmr(threshold))
