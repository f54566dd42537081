"""Error rates of a gallery from its own pairs, against pairs counted one by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from ml_engine.matching import ImpostorCurve
from ml_engine.matching import gallery_pairs as module
from ml_engine.matching.cohort import PLAIN
from ml_engine.matching.crowd_choice import scaled_crowd
from ml_engine.matching.error_rates import (
    ErrorRates,
    TooFewPeople,
    error_rates,
    people_needed,
    sampled,
)
from ml_engine.matching.gallery_pairs import LEAST_ERRORS, MOST_SIMILAR
from ml_engine.types import Float32, ModelMismatch
from tests.ml_engine.vectors import people, unit_vectors


def _measured(vectors: Float32, owners: NDArray, **options: object) -> ErrorRates:
    values = {"model": "m", "detector": "d", "source": "made up", "similar_from": 0.9} | options
    return error_rates(vectors, owners, **values)  # type: ignore[arg-type]


def _uneven() -> tuple[Float32, NDArray]:
    """300 people with one to four pictures, in no order."""
    vectors, owners = people(300, 4, 24)
    random = np.random.default_rng(5)
    kept = random.permutation(np.flatnonzero(np.arange(len(owners)) % 4 <= owners % 4))
    return vectors[kept], owners[kept]


def test_every_pair_of_people_has_the_same_weight() -> None:
    vectors, owners = _uneven()
    rates = _measured(vectors, owners)
    sizes = np.bincount(owners)[owners]
    rows, columns = np.triu_indices(len(owners), 1)
    is_other = owners[rows] != owners[columns]
    scores = np.einsum("nd,nd->n", vectors[rows], vectors[columns])
    weights = 1 / (sizes[rows] * sizes[columns])
    assert rates.impostor_pairs == rates.curve.pairs == is_other.sum()
    assert rates.genuine_pairs == (~is_other).sum()
    assert (rates.people, rates.templates) == (300, len(owners))
    assert rates.repeated == (np.bincount(owners) > 1).sum()
    all_pairs = 300 * 299 / 2
    for point in rates.points[:2]:
        reached = weights[is_other & (scores >= point.threshold)].sum()
        assert reached / all_pairs == pytest.approx(point.fmr, rel=0.03)
        assert reached / all_pairs <= point.fmr + 1e-9
        assert point.false_match_count == pytest.approx(reached, abs=1)
        missed = [
            (scores[~is_other & (owners[rows] == person)] < point.threshold).mean()
            for person in np.flatnonzero(np.bincount(owners) > 1)
        ]
        assert point.fnmr is not None
        assert point.fnmr == pytest.approx(np.mean(missed), abs=1e-6)
        assert point.fnmr_interval is not None
        low, high = point.fnmr_interval
        assert low <= point.fnmr <= high
        assert high - low < 0.2


def _numbers(value: object) -> list[float]:
    """All numbers of nested dicts and tuples, in order."""
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, tuple):
        return [number for part in value for number in _numbers(part)]
    return [value] if isinstance(value, int | float) else []


def test_small_blocks_give_the_same_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """But for rounding: a product of matrices rounds otherwise for other shapes."""
    vectors, owners = _uneven()
    whole = _measured(vectors, owners, similar_from=0.5)
    monkeypatch.setattr(module, "_CELLS", 5000)
    in_blocks = _measured(vectors, owners, similar_from=0.5)
    assert _numbers(asdict(in_blocks)) == pytest.approx(_numbers(asdict(whole)), abs=1e-5)


def test_no_block_is_much_larger_than_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, owners = people(400, 3, 16)
    seen: list[int] = []
    original = module._bins

    def watched(scores: Float32) -> NDArray:
        seen.append(scores.size)
        return original(scores)

    monkeypatch.setattr(module, "_bins", watched)
    monkeypatch.setattr(module, "_CELLS", 20_000)
    _measured(vectors, owners)
    assert max(seen) <= 20_000 + 3 * len(owners)
    assert len(seen) > 30


def test_point_has_the_number_of_pairs_behind_it() -> None:
    vectors, owners = people(120, 2, 24)
    rates = _measured(vectors, owners)
    carried = [point.has_enough_pairs for point in rates.points]
    assert carried == [True, False, False, False], "7,140 pairs of people are 71 at 1e-2"
    assert rates.curve.rates[-1] * 7140 >= LEAST_ERRORS
    assert rates.curve.rates[-1] * 7140 < 3 * LEAST_ERRORS


def test_too_few_people_carry_no_curve() -> None:
    needed = people_needed()
    assert needed * (needed - 1) / 2 * 1e-2 >= LEAST_ERRORS
    assert _measured(*people(needed, 1, 24)).curve.rates[-1] == 1e-2
    with pytest.raises(TooFewPeople) as refused:
        _measured(*people(needed - 1, 3, 24))
    assert refused.value.needed == needed


def test_false_non_match_rate_is_unknown_with_one_picture_each() -> None:
    rates = _measured(*people(100, 1, 24))
    assert (rates.repeated, rates.genuine_pairs, rates.eer, rates.det) == (0, 0, None, ())
    assert all(point.fnmr is None and point.fnmr_interval is None for point in rates.points)


def test_the_equal_error_rate_is_where_both_are_equal() -> None:
    rates = _measured(*people(200, 3, 24, spread=1.0))
    assert rates.eer is not None
    nearest = min(rates.det, key=lambda point: abs(point.fmr - point.fnmr))
    assert rates.eer == pytest.approx((nearest.fmr + nearest.fnmr) / 2, abs=0.01)
    assert rates.eer_threshold == pytest.approx(nearest.threshold, abs=0.02)
    assert 0.001 < rates.eer < 0.2


def test_the_det_curve_trades_one_error_for_the_other() -> None:
    det = _measured(*people(200, 3, 24, spread=1.0)).det
    assert det[0].fmr == pytest.approx(0.5, abs=0.02)
    for before, after in pairwise(det):
        assert before.threshold < after.threshold
        assert before.fmr >= after.fmr
        assert before.fnmr <= after.fnmr


def test_error_rates_of_identical_pictures_have_no_misses() -> None:
    vectors = unit_vectors(100, 24) * np.float32(1.0000002)
    rates = _measured(np.repeat(vectors, 3, axis=0), np.repeat(np.arange(100), 3))
    assert [point.fnmr for point in rates.points] == [0, 0, 0, 0]
    assert rates.det[-1].threshold == pytest.approx(1)


def test_similar_pairs_are_counted_but_listed_up_to_a_limit() -> None:
    """A threshold that was set far too low by hand is no reason to count for minutes."""
    rates = _measured(*people(200, 5, 24), similar_from=-1.0)
    assert rates.similar_pairs_total == 200 * 199 / 2
    assert len(rates.similar_pairs) == MOST_SIMILAR
    similarities = [pair.similarity for pair in rates.similar_pairs]
    assert similarities == sorted(similarities, reverse=True)


def test_similar_pairs_of_a_threshold_by_hand_are_those_of_a_similarity() -> None:
    vectors, owners = people(90, 2, 64, spread=0.5)
    cohort = replace(PLAIN, crowd=scaled_crowd(vectors, owners))
    similarities = vectors @ vectors.T
    similarities[owners[:, None] == owners] = -1
    highest = float(similarities.max())
    options = {"cohort": cohort, "similar_from": highest - 1e-4}
    rates = _measured(vectors, owners, is_fixed=True, **options)
    (pair,) = rates.similar_pairs
    assert pair.similarity == pytest.approx(highest, abs=1e-5)
    by_score = _measured(vectors, owners, **options)
    assert [each.similarity for each in by_score.similar_pairs] != [pair.similarity]
    assert by_score.curve == rates.curve, "scores are counted as before"


def _doubled(doubles: int) -> tuple[Float32, NDArray]:
    """150 people, of whom the first `doubles` are enrolled a second time as 1000, 1001..."""
    vectors, owners = people(150, 4, 96, spread=0.4)
    twice = (owners < doubles) & (np.arange(len(owners)) % 4 > 1)
    return vectors, np.where(twice, owners + 1000, owners)


REFERENCE = ImpostorCurve("m", "d", (0.13, 0.24, 0.31, 0.42), (1e-1, 1e-2, 1e-3, 1e-5), 10**6, "")


def test_pair_of_one_person_under_two_names_is_listed_and_left_out() -> None:
    vectors, owners = _doubled(3)
    rates = _measured(vectors, owners, similar_from=0.6, reference=REFERENCE)
    listed = {(pair.first, pair.second) for pair in rates.similar_pairs}
    assert listed == {(n, 1000 + n) for n in range(3)}
    assert rates.similar_pairs_total == 3
    assert all(pair.is_left_out and pair.similarity > 0.75 for pair in rates.similar_pairs)
    apart = _measured(*_doubled(0), similar_from=0.6, reference=REFERENCE)
    assert rates.curve.scores[-1] == pytest.approx(apart.curve.scores[-1], abs=0.02)
    left_in = _measured(vectors, owners, similar_from=0.6)
    assert not any(pair.is_left_out for pair in left_in.similar_pairs), "no curve, no doubt"
    beyond = [
        [point.fmr for point in each.det if point.threshold > 0.6] for each in (rates, left_in)
    ]
    assert max(beyond[0]) < 1e-12 < 1e-5 < max(beyond[1]), "the curve is without them"


def test_many_doubles_raise_the_threshold_and_never_lower_it() -> None:
    rates = _measured(*_doubled(40), similar_from=0.6, reference=REFERENCE)
    apart = _measured(*_doubled(0), similar_from=0.6, reference=REFERENCE)
    assert len(rates.similar_pairs) == MOST_SIMILAR
    assert rates.similar_pairs_total == 40
    assert rates.curve.scores[-1] > apart.curve.scores[-1]


def test_many_similar_people_are_not_left_out() -> None:
    """A reference that is far too low takes every pair for a double: ten at most are believed."""
    low = ImpostorCurve("m", "d", (0.0, 0.1, 0.2), (1e-1, 1e-3, 1e-5), 10**6, "")
    vectors, owners = people(300, 1, 24)
    rates = _measured(vectors, owners, similar_from=0.3, reference=low)
    assert sum(pair.is_left_out for pair in rates.similar_pairs) == MOST_SIMILAR
    assert rates.similar_pairs_total > 1000
    truth = _measured(vectors, owners, similar_from=0.3)
    end = rates.curve.scores[-1]
    assert truth.curve.fmr(end) / rates.curve.rates[-1] < 1.5


def test_sample_of_many_people_keeps_all_their_pictures() -> None:
    owners = np.random.default_rng(0).integers(0, 400, 3000)
    rows = sampled(owners, most_templates=1000, most_each=50)
    assert 950 < len(rows) <= 1000
    assert list(rows) == sorted(set(rows.tolist()))
    for person in np.unique(owners[rows]):
        assert (owners[rows] == person).sum() == (owners == person).sum()
    np.testing.assert_array_equal(rows, sampled(owners, most_templates=1000, most_each=50))
    np.testing.assert_array_equal(sampled(owners), np.arange(3000))
    assert sampled(np.empty(0, np.intp)).size == 0


def test_pictures_compared_of_one_person_are_limited() -> None:
    owners = np.array([0] * 100 + [1] * 3)
    rows = sampled(owners, most_each=10)
    assert np.bincount(owners[rows]).tolist() == [10, 3]
    assert rows[:10].max() > 20, "not only the oldest"


def _curve_of_truth(dimension: int, change: Callable[[NDArray], NDArray]) -> ImpostorCurve:
    """Of random directions in so many dimensions, with its scores changed."""
    left, right = unit_vectors(1200, dimension, seed=70), unit_vectors(1200, dimension, seed=71)
    scores = (left @ right.T).ravel()
    return ImpostorCurve.from_scores(
        change(scores).astype(np.float32), model="m", detector="d", source="the model's"
    )


@pytest.mark.parametrize("enrolled", [80, 250, 1000])
@pytest.mark.parametrize(
    "change",
    [
        lambda s: s,
        lambda s: s - 0.08,
        lambda s: s + 0.08,
        lambda s: s * 0.85,
        lambda s: s * 1.15,
        lambda s: s * 0.85 - 0.05,
    ],
    ids=["true", "lower", "higher", "narrower", "wider", "both"],
)
@pytest.mark.simulation
def test_strangers_are_named_as_often_as_was_asked_for(
    enrolled: int, change: Callable[[NDArray], NDArray]
) -> None:
    """The truth is known: everybody is a random direction. The model's curve is wrong about it."""
    model = _curve_of_truth(40, change)
    strangers = unit_vectors(4000, 40, seed=9)
    named = []
    for seed in range(20, 26):
        gallery = unit_vectors(enrolled, 40, seed=seed)
        limit = model.threshold_for_gallery(enrolled)
        rates = _measured(gallery, np.arange(enrolled), similar_from=limit, reference=model)
        curve = rates.curve.continued_by(model)
        threshold = curve.threshold_for_gallery(enrolled)
        named.append(((strangers @ gallery.T).max(axis=1) >= threshold).mean())
    assert 0.005 <= np.mean(named) <= 0.02


@pytest.mark.parametrize("other", [("m2", "d"), ("m", "d2")], ids=["embedder", "detector"])
def test_reference_of_another_model_is_refused(other: tuple[str, str]) -> None:
    reference = ImpostorCurve(*other, (0.1, 0.2), (1e-1, 1e-2), 10**6, "")
    with pytest.raises(ModelMismatch):
        _measured(*_uneven(), reference=reference)
