"""Collections measured on their own people, among made-up people."""

from __future__ import annotations

import numpy as np

from benchmarks.laboratory.recalibration import folds_of, recalibration_report
from ml_engine.evaluation.lfw import Pairs
from ml_engine.matching import ImpostorCurve
from tests.ml_engine.vectors import unit_vectors


def test_own_curve_meets_the_target_rate_and_corrects_a_wrong_one() -> None:
    vectors = unit_vectors(1200, 48, seed=3)
    others = unit_vectors(1000, 48, seed=4)
    scores = (others[:500] @ others[500:].T).ravel()
    curve = ImpostorCurve.from_scores(scores, model="m", detector="d", source="made up")
    people = np.arange(1200)
    report = recalibration_report(
        vectors, vectors, people, people % 5, preset="m", curve=curve, sizes=(100,)
    )
    assert (report.folds.people, report.folds.strangers) == (720, 480)
    drawn = report.drawn[0]
    assert (drawn.people, drawn.templates, drawn.strangers) == (100, 100, 1100)
    for low, median, high in (drawn.preset, drawn.own, drawn.own_on_wrong):
        assert low <= median <= high
        assert 0.005 < median < 0.02
    assert drawn.wrong[1] > 0.02
    text = report.as_text()
    assert "   720  " in text
    assert f"{100 * drawn.own[1]:.2f} % (" in text


def test_recalibration_folds_share_no_person() -> None:
    rows = np.array([[0, 1], [0, 2], [3, 3]])
    pairs = Pairs(rows, np.array([True, False, True]), np.array([0, 0, 1]))
    assert folds_of(np.array([5, 5, 2, 0]), pairs)[[5, 2, 0]].tolist() == [0, 0, 1]
