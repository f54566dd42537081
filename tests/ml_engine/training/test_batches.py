"""A batch has P people with K pictures each; an epoch shows everybody equally often."""

from __future__ import annotations

import numpy as np
import pytest

from ml_engine.training.batches import batches_in_epoch, batches_of_epoch


@pytest.mark.parametrize(("people", "p", "k"), [(24, 12, 4), (7, 3, 2), (5, 8, 2), (10, 4, 3)])
def test_batch_has_so_many_pictures_of_so_many_people(people: int, p: int, k: int) -> None:
    owners = np.repeat(np.arange(people), 6)
    batches = batches_of_epoch(owners, p, k, np.random.default_rng(0))
    assert len(batches) == batches_in_epoch(owners, p, k)
    seen = np.zeros(people, int)
    for rows in batches:
        numbers, counts = np.unique(owners[rows], return_counts=True)
        assert len(numbers) == min(p, people)
        assert set(counts.tolist()) == {k}
        assert len(set(rows.tolist())) == len(rows)
        seen[numbers] += 1
    assert seen.max() - seen.min() <= 1


def test_person_with_fewer_pictures_comes_as_often() -> None:
    owners = np.array([0] * 9 + [1])
    for rows in batches_of_epoch(owners, 2, 3, np.random.default_rng(0)):
        assert np.bincount(owners[rows]).tolist() == [3, 3]


def test_batches_depend_on_the_seed_alone() -> None:
    owners = np.repeat(np.arange(6), 4)
    one, two = (batches_of_epoch(owners, 3, 2, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(np.stack(one), np.stack(two))
