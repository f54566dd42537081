"""Deciders, compared on the people of a gallery."""

from __future__ import annotations

import numpy as np
import pytest

from ml_engine.matching.decider_trial import (
    LEAST_PEOPLE,
    MOST_PEOPLE,
    DeciderResult,
    decider_results,
)
from tests.ml_engine.vectors import people


@pytest.mark.simulation
def test_mean_is_better_if_photos_differ_much_from_each_other() -> None:
    found = {each.name: each for each in decider_results(*people(100, 6, 24, spread=1.5))}
    assert list(found) == ["nearest", "mean", "vote", "svm"]
    assert found["mean"].is_better
    assert found["mean"].missed < found["nearest"].missed


@pytest.mark.simulation
def test_no_decider_is_better_than_one_that_misses_nothing() -> None:
    found = decider_results(*people(100, 3, 64, spread=0.2))
    assert [each.missed for each in found] == [0.0] * len(found)
    assert not any(each.is_better for each in found)


@pytest.mark.parametrize(
    ("gain", "deviation", "is_better"), [(0.02, 0.01, True), (0.01, 0.02, False), (0.0, 0.0, False)]
)
def test_gain_must_be_larger_than_its_deviation(
    gain: float, deviation: float, is_better: bool
) -> None:
    assert DeciderResult("mean", 0.1, 0.01, gain, deviation).is_better == is_better


def test_too_few_people_are_not_tried() -> None:
    assert decider_results(*people(LEAST_PEOPLE - 1, 3, 24)) == []
    assert decider_results(*people(100, 1, 24)) == []


def test_large_gallery_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def none(vectors: np.ndarray, owners: list[str], *, model: str) -> None:
        seen.append(len(owners))
        raise InterruptedError

    monkeypatch.setattr("ml_engine.matching.decider_trial.train_svm", none)
    with pytest.raises(InterruptedError):
        decider_results(*people(MOST_PEOPLE + 200, 12, 16))
    assert seen[0] <= MOST_PEOPLE * 8 * 2 / 3
