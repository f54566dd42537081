"""Which way to rank people misses the fewest of these people?

In each draw a third of the people are strangers. Of the others, one photo each is held back, and
the rest is enrolled. A threshold of its own for each decider lets one stranger in a hundred be
named. A decider is better than the nearest if it misses fewer of the photos held back, by more than
the deviation of that gain over the draws.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml_engine.matching.cohort import PLAIN, Cohort
from ml_engine.matching.deciders import Decider, Svm, Vote, mean_template
from ml_engine.matching.svm import train_svm
from ml_engine.types import Float32

Ints = NDArray[np.intp]

DRAWS = 6
# Fewer people tell nothing about one stranger in a hundred; of more, a sample is taken.
LEAST_PEOPLE = 60
MOST_PEOPLE = 240
_LEAST_REPEATED = 30
_MOST_OF_A_PERSON = 8
_FPIR = 0.01
_LOOKED_AT = 40
_MODEL = "trial"
_SEED = 1


@dataclass(frozen=True, slots=True)
class DeciderResult:
    """missed: share of photos not named rightly, mean over the draws. gain: how much less that is
    than with the nearest. deviations: over the draws."""

    name: str
    missed: float
    missed_deviation: float
    gain: float
    gain_deviation: float

    @property
    def is_better(self) -> bool:
        return self.gain > self.gain_deviation


@dataclass(frozen=True, slots=True)
class _Draw:
    """templates (t, d) by person, and the person of each from 0 on; probes (m, d) of them, and the
    person of each, -1 for a stranger."""

    templates: Float32
    owners: Ints
    probes: Float32
    people: Ints

    @classmethod
    def of(cls, vectors: Float32, people: Ints, random: np.random.Generator) -> _Draw:
        """people: (n,) numbered from 0."""
        order = random.permutation(len(people))
        order = order[np.argsort(people[order], kind="stable")]
        counts = np.bincount(people)
        number = np.arange(len(people)) - np.repeat(np.cumsum(counts) - counts, counts)
        vectors, people = vectors[order], people[order]
        is_stranger = np.isin(people, random.permutation(len(counts))[: len(counts) // 3])
        is_held_back = ~is_stranger & (number == 0) & (counts[people] > 1)
        is_enrolled = ~is_stranger & ~is_held_back
        known, owners = np.unique(people[is_enrolled], return_inverse=True)
        is_probe = is_held_back | is_stranger
        whose = np.where(is_stranger, -1, np.searchsorted(known, people))
        return cls(vectors[is_enrolled], owners, vectors[is_probe], whose[is_probe])

    def missed(self, first: Ints, scores: Float32) -> float:
        """first, scores: (m,) who is ranked first for each probe, and with which score."""
        is_stranger = self.people < 0
        threshold = np.quantile(scores[is_stranger], 1 - _FPIR, method="higher")
        is_named = (first == self.people) & (scores > threshold)
        return float(1 - is_named[~is_stranger].mean())


def decider_results(
    vectors: Float32, people: Ints, *, cohort: Cohort = PLAIN
) -> list[DeciderResult]:
    """The nearest first; empty if there are too few people.

    Args:
        vectors: (n, d) of length 1. people: (n,) the person of each. cohort: makes the scores.
    """
    random = np.random.default_rng(_SEED)
    rows = _sampled(people, random)
    _, person, counts = np.unique(people[rows], return_inverse=True, return_counts=True)
    if len(counts) < LEAST_PEOPLE or (counts > 1).sum() < _LEAST_REPEATED:
        return []
    draws = [_Draw.of(vectors[rows], person, random) for _ in range(DRAWS)]
    found = [dict(_missed(draw, cohort)) for draw in draws]
    return [_result(name, found) for name in found[0]]


def _sampled(people: Ints, random: np.random.Generator) -> Ints:
    chosen = random.permutation(np.unique(people))[:MOST_PEOPLE]
    rows = random.permutation(np.flatnonzero(np.isin(people, chosen)))
    rows = rows[np.argsort(people[rows], kind="stable")]
    _, start, counts = np.unique(people[rows], return_index=True, return_counts=True)
    return rows[np.arange(len(rows)) - np.repeat(start, counts) < _MOST_OF_A_PERSON]


def _result(name: str, found: list[dict[str, float]]) -> DeciderResult:
    missed = np.array([draw[name] for draw in found])
    gains = np.array([draw["nearest"] for draw in found]) - missed
    figures = (missed.mean(), missed.std(ddof=1), gains.mean(), gains.std(ddof=1))
    return DeciderResult(name, *(round(float(each), 5) for each in figures))


def _missed(draw: _Draw, cohort: Cohort) -> Iterator[tuple[str, float]]:
    probes = cohort.seen(draw.probes)
    start = np.unique(draw.owners, return_index=True)[1]
    each = cohort.scores_of_all(probes, cohort.seen(draw.templates))
    nearest = np.maximum.reduceat(each, start, axis=1)
    groups = np.split(draw.templates, start[1:])
    mean_of = np.stack([mean_template(group) for group in groups])
    means = cohort.scores_of_all(probes, cohort.seen(mean_of))
    yield "nearest", draw.missed(nearest.argmax(axis=1), nearest.max(axis=1))
    yield "mean", draw.missed(means.argmax(axis=1), means.max(axis=1))
    svm = train_svm(draw.templates, [str(owner) for owner in draw.owners], model=_MODEL)
    for name, decider in (("vote", Vote()), ("svm", Svm(svm, model=_MODEL))):
        first = _first(draw, decider)
        yield name, draw.missed(first, nearest[np.arange(len(first)), first])


def _first(draw: _Draw, decider: Decider) -> Ints:
    """(m,) the person that the decider puts first for each probe."""
    similarities = draw.probes @ draw.templates.T
    order = np.argsort(-similarities, axis=1)[:, :_LOOKED_AT]
    owners = draw.owners.tolist()
    ranked = (
        decider.rank(probe, row[ids].tolist(), ids.tolist(), owners.__getitem__)
        for probe, row, ids in zip(draw.probes, similarities, order, strict=True)
    )
    return np.array([candidates[0].person for candidates in ranked], np.intp)
