"""The error-versus-discard curve."""

from __future__ import annotations

import numpy as np

from benchmarks.laboratory.discard import SHARES, discard_curve, measures, pair_values
from ml_engine.evaluation.verification import all_scores
from ml_engine.types import Face


def test_a_measure_that_predicts_every_error_brings_them_down_to_nothing() -> None:
    is_missed = np.arange(1000) < 100
    curve = dict(
        zip(SHARES, discard_curve(is_missed, np.arange(1000, dtype=np.float32)), strict=True)
    )
    assert curve[0.0] == 0.1
    assert curve[0.1] == 0
    assert abs(curve[0.04] - 60 / 960) < 1e-9


def test_a_measure_that_says_nothing_changes_nothing() -> None:
    random = np.random.default_rng(0)
    is_missed = random.random(20_000) < 0.1
    curve = discard_curve(is_missed, random.random(20_000).astype(np.float32))
    assert max(curve) - min(curve) < 0.01


def test_pairs_come_in_the_order_of_the_scores_and_count_as_their_worse_photo() -> None:
    people = np.array([0, 0, 0, 1, 1])
    values = np.array([5, 3, 4, 9, 1], np.float32)
    assert pair_values(values, people).tolist() == [3, 4, 3, 1]
    genuine, _ = all_scores(np.eye(5, dtype=np.float32), people, np.ones(5, bool))
    assert len(genuine) == 4


def test_a_photo_without_a_face_is_the_worst_in_everything() -> None:
    face = Face(np.zeros(4, np.float32), np.zeros((5, 2), np.float32), 0.9)
    for values in measures([None, face]).values():
        assert values[0] == -np.inf
