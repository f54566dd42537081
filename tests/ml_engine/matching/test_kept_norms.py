"""Norms of templates are computed once for each template."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ml_engine.matching.crowd import Crowd, Norms, fitted_crowd
from ml_engine.matching.kept_norms import KeptNorms
from ml_engine.types import Float32
from tests.ml_engine.vectors import unit_vectors

VECTORS = unit_vectors(200, 16, seed=1)
IDS = np.arange(1000, 1200)
CROWD = fitted_crowd(VECTORS, np.arange(200))


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many norms were computed, call by call."""
    counts: list[int] = []
    norms = Crowd.norms

    def counted(crowd: Crowd, vectors: Float32) -> Norms:
        counts.append(len(vectors))
        return norms(crowd, vectors)

    monkeypatch.setattr(Crowd, "norms", counted)
    return counts


def check(kept: KeptNorms, rows: list[int], crowd: Crowd = CROWD) -> None:
    found, wanted = kept.of(crowd, IDS[rows], VECTORS[rows]), crowd.norms(VECTORS[rows])
    np.testing.assert_allclose(found.means, wanted.means, atol=1e-5)
    np.testing.assert_allclose(found.deviations, wanted.deviations, atol=1e-5)


def test_norms_are_computed_when_templates_come(computed: list[int]) -> None:
    kept = KeptNorms(CROWD)
    kept.put(IDS, VECTORS)
    assert computed == [200]
    kept.of(CROWD, IDS[[5, 150, 7]], VECTORS[[5, 150, 7]])
    assert computed == [200]
    check(kept, [199, 0, 77])


def test_norms_that_are_missing_are_computed_once(computed: list[int]) -> None:
    kept = KeptNorms()
    kept.put(IDS, VECTORS)
    assert computed == []
    for rows in ([1, 2, 3], [3, 4], [1, 4]):
        kept.of(CROWD, IDS[rows], VECTORS[rows])
    assert computed == [3, 1]
    check(kept, [4, 3, 9])


def test_removed_templates_leave_nothing_and_change_no_other() -> None:
    kept = KeptNorms(CROWD)
    kept.put(IDS, VECTORS)
    kept.drop([1000, 1199, 1003, 5])
    assert len(kept) == 197
    check(kept, [198, 1, 2])


def test_another_crowd_begins_anew_and_an_equal_one_does_not(computed: list[int]) -> None:
    kept = KeptNorms(CROWD)
    kept.put(IDS, VECTORS)
    kept.of(Crowd.from_dict(CROWD.to_dict()), IDS[:2], VECTORS[:2])
    assert computed == [200]
    other = replace(CROWD, mean=tuple(-value for value in CROWD.mean))
    check(kept, [8, 9], other)
    assert len(kept) == 2
