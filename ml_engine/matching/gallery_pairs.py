"""All pairs of a gallery's templates: the genuine ones, and the scores of the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml_engine.matching.calibration import RATES
from ml_engine.matching.cohort import PLAIN, Cohort, Seen
from ml_engine.types import Float32

# A rate counts as measured from this many errors on; see `ml_engine.matching.error_rates`.
LEAST_ERRORS = 30
# The most pairs that are listed of people who may be one person.
MOST_SIMILAR = 10
_BINS = 20_000  # of scores, -1 to 1
_CELLS = 2_000_000  # of scores looked at together

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class SimilarPair:
    """Two people who would match. is_left_out: their pair is not in the curve."""

    first: int
    second: int
    similarity: float
    is_left_out: bool


class GenuinePairs:
    """scores: (pairs,) of pairs of one person. rows: (pairs, 2) the templates of each. people: (p,)
    the people who have any."""

    def __init__(self, scores: Float32, owners: Ints, rows: Ints) -> None:
        self.scores, self.rows = scores, rows
        self.people, self._owner, self._counts = np.unique(
            owners, return_inverse=True, return_counts=True
        )

    def missed_by_person(self, threshold: float) -> Floats:
        """(p,) the share of each person's pairs below the threshold."""
        missed = np.bincount(self._owner[self.scores < threshold], minlength=len(self.people))
        return missed / self._counts

    def fnmr(self, threshold: float) -> float:
        return float(self.missed_by_person(threshold).mean())


class ImpostorScores:
    """How many pairs of people reach a score.

    Args:
        histogram: (bins,) pairs of people by score. pairs: their number.
    """

    def __init__(self, histogram: Floats, pairs: float) -> None:
        # (bins + 1,) pairs at or over the lower edge of each bin; none over the last.
        self._reached = np.append(np.cumsum(histogram[::-1])[::-1], 0.0)
        self._pairs = pairs

    def matches(self, threshold: float) -> float:
        """Pairs of people at or over the threshold."""
        edge = int(np.ceil((threshold + 1) * _BINS / 2 - 1e-6))
        return float(self._reached[min(edge, _BINS)])  # rounding takes scores beyond 1

    def fmr(self, threshold: float) -> float:
        return self.matches(threshold) / self._pairs

    def threshold(self, fmr: float) -> float:
        """The least edge of a bin that at most the share `fmr` reaches."""
        edge = np.searchsorted(-self._reached, -fmr * self._pairs - 1e-9)
        return round(float(edge) * 2 / _BINS - 1, 4)

    def has_enough_pairs(self, fmr: float) -> bool:
        return fmr * self._pairs >= LEAST_ERRORS

    @property
    def highest(self) -> float:
        """The score of the most similar pair."""
        return self.threshold(1 / self._pairs)

    def curve_points(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Rising scores, and the rate at each."""
        points: dict[float, float] = {}  # of equal scores the highest rate stands
        for rate in filter(self.has_enough_pairs, RATES):
            points.setdefault(self.threshold(rate), rate)
        return tuple(points), tuple(points.values())


class GalleryPairs:
    """Args:

    embeddings: (n, d) of length 1, sorted by person.
    person: (n,) numbered from 0.
    cohort: makes scores of similarities.
    """

    def __init__(self, embeddings: Float32, person: Ints, cohort: Cohort = PLAIN) -> None:
        self._seen, self._person, self._cohort = cohort.seen(embeddings), person, cohort
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

    def impostors(
        self, similar_from: float, *, left_out_from: float, is_fixed: bool = False
    ) -> tuple[ImpostorScores, list[SimilarPair], int]:
        """Scores of pairs of people; the most similar pairs from `similar_from` on, a score or
        (`is_fixed`) a similarity, and how many there are. Of the listed pairs those with a score
        from `left_out_from` on do not count as strangers."""
        histogram, listed, total = self._compared(similar_from, is_fixed=is_fixed)
        pairs = [
            SimilarPair(a, b, similarity, bool(self._scores(a, b).max() >= left_out_from))
            for a, b, similarity in listed
        ]
        left_out = [pair for pair in pairs if pair.is_left_out]
        for pair in left_out:
            histogram -= self._histogram_of(pair.first, pair.second)
        return ImpostorScores(histogram, self.pairs_of_people - len(left_out)), pairs, total

    def genuine(self) -> GenuinePairs:
        several = np.flatnonzero(self._sizes > 1)
        scores, owners = [np.empty(0, np.float32)], [np.empty(0, np.intp)]
        pairs = [np.empty((0, 2), np.intp)]
        for person in several.tolist():
            mine = self._of(person)
            rows, columns = np.triu_indices(int(self._sizes[person]), 1)
            pairs.append(self._starts[person] + np.stack([rows, columns], axis=1))
            scores.append(self._cohort.scores_of_all(mine, mine)[rows, columns])
            owners.append(np.full(len(rows), person))
        return GenuinePairs(np.concatenate(scores), np.concatenate(owners), np.concatenate(pairs))

    def _compared(
        self, similar_from: float, *, is_fixed: bool
    ) -> tuple[Floats, list[tuple[int, int, float]], int]:
        histogram = np.zeros(_BINS)
        best: list[tuple[int, int, float]] = []
        total = 0
        for rows in self._blocks():
            later = slice(rows.start, None)
            scores = self._cohort.scores_of_all(self._seen[rows], self._seen[later])
            is_other = self._person[later] > self._person[rows, None]  # so each pair comes once
            weights = (self._weight[rows, None] * self._weight[later])[is_other]
            histogram += np.bincount(_bins(scores[is_other]), weights, minlength=_BINS)
            if is_fixed:
                scores = self._seen.vectors[rows] @ self._seen.vectors[later].T
            similar, count = self._similar(scores, rows, is_other & (scores >= similar_from))
            total += count
            best = sorted([*best, *similar], key=lambda pair: -pair[2])[:MOST_SIMILAR]
        return histogram, best, total

    def _histogram_of(self, first: int, second: int) -> Floats:
        """Histogram of the pairs of these two people only."""
        scores = self._scores(first, second)
        return np.bincount(_bins(scores.ravel()), minlength=_BINS) / scores.size

    def _scores(self, first: int, second: int) -> Float32:
        """Of all templates of one person with all of the other."""
        return self._cohort.scores_of_all(self._of(first), self._of(second))

    def _blocks(self) -> Iterator[slice]:
        """Rows of whole people, so few that their scores with all others stay small."""
        most = max(1, _CELLS // len(self._person))
        start = 0
        while start < len(self._person):
            after = int(np.searchsorted(self._starts, start + most, "right")) - 1
            end = int(self._starts[max(after, int(self._person[start]) + 1)])
            yield slice(start, end)
            start = end

    def _similar(
        self, scores: Float32, rows: slice, is_similar: NDArray[np.bool_]
    ) -> tuple[list[tuple[int, int, float]], int]:
        """The most similar pairs of people of a block, and how many pairs there are; each pair of
        people by their most similar templates."""
        left, right = np.nonzero(is_similar)
        first, second = self._person[rows][left], self._person[rows.start :][right]
        pairs, pair = np.unique(first * len(self._sizes) + second, return_inverse=True)
        best = np.full(len(pairs), -1.0)
        np.maximum.at(best, pair, scores[left, right])
        top = np.argsort(-best)[:MOST_SIMILAR]
        people = (divmod(int(pairs[n]), len(self._sizes)) for n in top)
        return [(a, b, float(best[n])) for (a, b), n in zip(people, top, strict=True)], len(pairs)

    def _of(self, person: int) -> Seen:
        return self._seen[self._starts[person] : self._starts[person + 1]]


def _bins(scores: Float32) -> Ints:
    return np.clip((scores + 1) * (_BINS / 2), 0, _BINS - 1).astype(np.intp)
