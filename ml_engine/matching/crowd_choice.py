"""Does normalisation by a crowd help an embedder? Asked of people who are not in the crowd.

In each draw the crowd is fitted on one half of the people. Of the other half, some are enrolled
with one photo each, and some are strangers. The crowd is taken if a tenth fewer photos of those
enrolled are missed, and fewer by more than the deviation over the draws.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ml_engine.matching.cohort import PLAIN, Cohort
from ml_engine.matching.crowd import Crowd, fitted_crowd
from ml_engine.matching.error_rates import sampled
from ml_engine.types import Float32

Ints = NDArray[np.intp]

DRAWS = 8
# With fewer people, mean and covariance would be about them, and the draws would say little.
LEAST_PEOPLE = 400
_LEAST_REPEATED = 80
# Shares of strangers named; misses are averaged over them.
_FPIRS = (0.01, 0.02, 0.03)
_STRANGERS = 1 / 3
# Of the misses. For less, it is not worth to make all measurements of collections anew.
_LEAST_GAIN = 0.1
# At these rates strangers reach normalised scores and similarities equally.
_SAME_AT = (1e-2, 1e-3)
_MOST_SCALED = 3000
# Memory and time grow with the square of the faces: of more, so many are drawn, and few of each
# person.
_MOST_FACES, _MOST_OF_A_PERSON = 15_000, 3
_SEED = 1


@dataclass(frozen=True, slots=True)
class Gain:
    """Share of photos missed without and with a crowd, one of each for each draw, while one to
    three strangers in a hundred are named."""

    plain: tuple[float, ...]
    normalised: tuple[float, ...]

    @property
    def is_clear(self) -> bool:
        if not self.plain:
            return False
        gains = np.subtract(self.plain, self.normalised)
        least = max(gains.std(ddof=1), _LEAST_GAIN * np.mean(self.plain))
        return bool(gains.mean() > least)

    def __str__(self) -> str:
        if not self.plain:
            return "too few people"
        gains = np.subtract(self.plain, self.normalised)
        plain, normalised = np.mean(self.plain), np.mean(self.normalised)
        return (
            f"{plain:.3f} missed without, {normalised:.3f} with it, "
            f"a gain of {gains.mean():.3f} ± {gains.std(ddof=1):.3f}"
        )


def chosen_crowd(vectors: Float32, people: Ints) -> Crowd | None:
    """The crowd of these faces; None if it does not help, or if there are too few people.

    Args:
        vectors: (n, d) of length 1. people: (n,) the person of each.
    """
    rows = _drawn(people)
    faces, owners = vectors[rows], people[rows]
    return scaled_crowd(faces, owners) if crowd_gain(faces, owners).is_clear else None


def crowd_gain(vectors: Float32, people: Ints) -> Gain:
    """No draws if there are too few people."""
    rows = _drawn(people)
    vectors = vectors[rows]
    _, person, counts = np.unique(people[rows], return_inverse=True, return_counts=True)
    if len(counts) < LEAST_PEOPLE or (counts > 1).sum() < _LEAST_REPEATED:
        return Gain((), ())
    random = np.random.default_rng(_SEED)
    missed = [_missed(vectors, person, counts, random) for _ in range(DRAWS)]
    plain, normalised = zip(*missed, strict=True)
    return Gain(plain, normalised)


def scaled_crowd(vectors: Float32, people: Ints) -> Crowd:
    """Fitted, with scores on the scale of similarities."""
    crowd = fitted_crowd(vectors, people)
    random = np.random.default_rng(_SEED)
    order = random.permutation(len(people))
    chosen = order[np.unique(people[order], return_index=True)[1]][:_MOST_SCALED]
    pairs = np.triu_indices(len(chosen), 1)

    def reached(cohort: Cohort) -> tuple[float, float]:
        seen = cohort.seen(vectors[chosen])
        scores = cohort.scores_of_all(seen, seen)[pairs]
        low, high = np.quantile(scores, [1 - rate for rate in _SAME_AT]).tolist()
        return low, high

    whole = replace(crowd, share=1.0)
    plain, normalised = reached(PLAIN), reached(replace(PLAIN, crowd=whole))
    spread = (plain[1] - plain[0]) / (normalised[1] - normalised[0])
    centre = plain[0] - spread * normalised[0]
    return replace(crowd, centre=round(centre, 6), spread=round(spread, 6))


def _drawn(people: Ints) -> Ints:
    """Rows of the faces that are compared, rising; the same ones every time."""
    if len(people) <= _MOST_FACES:
        return np.arange(len(people))
    person = np.unique(people, return_inverse=True)[1]
    return sampled(person, most_templates=_MOST_FACES, most_each=_MOST_OF_A_PERSON)


def _missed(
    vectors: Float32, person: Ints, counts: Ints, random: np.random.Generator
) -> tuple[float, float]:
    """One draw: without and with a crowd."""
    order = random.permutation(len(counts))
    fitted, tested = order[::2], order[1::2]
    tested = tested[np.argsort(counts[tested], kind="stable")]  # people with one photo first
    strangers_end = max(round(_STRANGERS * len(tested)), int((counts[tested] == 1).sum()))
    strangers, enrolled = tested[:strangers_end], tested[strangers_end:]
    shuffled = random.permutation(len(person))
    first = shuffled[np.unique(person[shuffled], return_index=True)[1]]  # a photo of each
    others = np.setdiff1d(np.flatnonzero(np.isin(person, enrolled)), first)
    rows = np.isin(person, fitted)
    crowd = scaled_crowd(vectors[rows], person[rows])

    def missed(cohort: Cohort) -> float:
        gallery = cohort.seen(vectors[first[enrolled]])
        best = cohort.scores_of_all(cohort.seen(vectors[first[strangers]]), gallery).max(axis=1)
        thresholds = np.quantile(best, [1 - fpir for fpir in _FPIRS], method="higher")
        scores = cohort.scores_of_all(cohort.seen(vectors[others]), gallery)
        is_right = enrolled[scores.argmax(axis=1)] == person[others]
        is_named = scores.max(axis=1) > thresholds[:, None]
        return float(1 - (is_right & is_named).mean())

    return missed(PLAIN), missed(replace(PLAIN, crowd=crowd))
