"""Open-set figures against cases that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from ml_engine.evaluation.openset import (
    Searches,
    error_curve,
    fnir_at,
    rank_1,
    search,
    threshold_at,
)
from ml_engine.types import EngineError, Float32


def _random_unit(count: int, seed: int, dimension: int = 16) -> Float32:
    vectors = np.random.default_rng(seed).normal(size=(count, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_open_set_search_splits_people_into_gallery_probes_and_strangers() -> None:
    people = np.array([0, 0, 0, 1, 2, 2, 3])
    vectors = _random_unit(7, 0)
    searches = search(people, vectors, vectors, np.ones(7, bool))
    assert searches.gallery.tolist() == [0, 2]
    assert searches.probe_people.tolist() == [0, 0, 2]
    assert searches.stranger_people.tolist() == [1, 3]
    np.testing.assert_allclose(searches.probe_scores[2], vectors[5] @ vectors[[0, 4]].T, rtol=1e-5)
    np.testing.assert_allclose(
        searches.stranger_scores[0], vectors[3] @ vectors[[0, 4]].T, rtol=1e-5
    )


def test_a_probe_without_a_face_is_a_miss_and_an_unseen_template_matches_nobody() -> None:
    people = np.array([0, 0, 1, 1, 2])
    vectors = np.tile(_random_unit(1, 1), (5, 1))
    has_face = np.array([True, False, False, True, True])
    searches = search(people, vectors, vectors, has_face)
    assert searches.hits.max() < -1
    assert searches.best_strangers[0] == pytest.approx(1, abs=1e-5)


def test_threshold_at_lets_at_most_that_share_through() -> None:
    strangers = np.array([0.1, 0.2, 0.3, 0.4, 0.5], np.float32)
    for fpir, allowed in ((0.0, 0), (0.19, 0), (0.2, 1), (0.5, 2), (1.0, 4)):
        threshold = threshold_at(strangers, fpir)
        assert (strangers >= threshold).sum() == allowed
    assert threshold_at(strangers, 0.2) == pytest.approx(0.4, abs=1e-6), "and it is the least one"


def _searches() -> Searches:
    """Four probes of three people; person 1 is found as person 0."""
    return Searches(
        gallery=np.array([0, 1, 2]),
        probe_people=np.array([0, 0, 1, 2]),
        stranger_people=np.array([7, 8]),
        probe_scores=np.array(
            [[0.9, 0.1, 0.0], [0.3, 0.2, 0.1], [0.8, 0.7, 0.0], [0.0, 0.1, 0.6]], np.float32
        ),
        stranger_scores=np.array([[0.4, 0.1, 0.2], [0.1, 0.1, 0.2]], np.float32),
    )


def test_rank_1_and_fnir_count_wrong_and_missed_searches() -> None:
    searches = _searches()
    assert rank_1(searches).value == 0.75
    assert fnir_at(searches, 0.0).value == 0.5, "0.3 is below the best stranger, one is wrong"
    assert fnir_at(searches, 0.5).value == 0.25, "only the one at the wrong person"
    interval = rank_1(searches)
    assert interval.low <= interval.value <= interval.high
    assert interval.low < interval.high
    assert rank_1(searches) == interval, "the same each time"


def test_the_curve_of_errors_falls_as_more_strangers_are_named() -> None:
    hits = np.linspace(0, 1, 500, dtype=np.float32)
    curve = error_curve(hits, np.linspace(-0.2, 0.8, 1000, dtype=np.float32))
    rates, missed = zip(*curve, strict=True)
    assert rates[0] == pytest.approx(1e-3)
    assert list(missed) == sorted(missed, reverse=True)
    assert missed[0] == pytest.approx(0.8, abs=0.01)
    assert missed[-1] == pytest.approx(0.3, abs=0.01)


@pytest.mark.parametrize("people", [[0, 0, 1, 1], [0, 1, 2]], ids=["no stranger", "nobody known"])
def test_people_of_both_kinds_are_needed(people: list[int]) -> None:
    vectors = _random_unit(len(people), 0)
    with pytest.raises(EngineError, match="People with several photos"):
        search(np.array(people), vectors, vectors, np.ones(len(people), bool))


def test_a_smaller_gallery_leaves_out_its_probes() -> None:
    part = _searches().among(np.array([1, 2]))
    assert part.probe_people.tolist() == [1, 2]
    assert part.hits.tolist() == pytest.approx([0.7, 0.6])
    assert part.best_strangers.tolist() == pytest.approx([0.2, 0.2])
