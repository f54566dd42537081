"""Batches of P people with K pictures each, so that a batch holds pairs of every kind."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.intp]


def batches_of_epoch(people: Rows, p: int, k: int, random: np.random.Generator) -> list[Rows]:
    """Rows of each batch of an epoch, which is as many batches as hold all pictures once.

    Every person is drawn equally often, whether they have many pictures or few. Of a person with
    fewer than `k`, some come twice.

    Args:
        people: (n,) the person of each picture, numbered from 0 without gaps.
    """
    pictures_of = [np.flatnonzero(people == person) for person in range(people.max() + 1)]
    batches = []
    waiting: list[int] = []  # of a shuffled round of all people, those who did not come yet
    for _ in range(batches_in_epoch(people, p, k)):
        chosen, waiting = waiting[:p], waiting[p:]
        if missing := min(p, len(pictures_of)) - len(chosen):
            order = random.permutation(len(pictures_of)).tolist()
            fresh = [person for person in order if person not in chosen][:missing]
            waiting = [person for person in order if person not in fresh]
            chosen += fresh
        batches.append(np.concatenate([_drawn(pictures_of[c], k, random) for c in chosen]))
    return batches


def batches_in_epoch(people: Rows, p: int, k: int) -> int:
    """See `batches_of_epoch`."""
    return -(-len(people) // (min(p, int(people.max()) + 1) * k))


def _drawn(rows: Rows, k: int, random: np.random.Generator) -> Rows:
    return random.choice(rows, k, replace=len(rows) < k)
