"""Impostor curves: rates of scores and scores of rates."""

from __future__ import annotations

import numpy as np
import pytest

from ml_engine.matching import ImpostorCurve

CURVE = ImpostorCurve("m", (0.2, 0.4, 0.6), (1e-1, 1e-3, 1e-5), 1000, "test")


def test_between_the_points_the_logarithm_is_a_line() -> None:
    assert CURVE.fmr(0.4) == pytest.approx(1e-3)
    assert CURVE.fmr(0.5) == pytest.approx(1e-4)
    assert CURVE.threshold(1e-4) == pytest.approx(0.5)


def test_beyond_the_last_point_it_goes_on_and_says_so() -> None:
    assert CURVE.fmr(0.7) == pytest.approx(1e-6)
    assert CURVE.is_extrapolated(0.7)
    assert not CURVE.is_extrapolated(0.6)
    assert CURVE.threshold(1e-6) == pytest.approx(0.7)
    assert CURVE.threshold(1e-30) == 1.0
    assert CURVE.threshold(0.0) == 1.0


def test_below_the_first_point_it_promises_nothing_better() -> None:
    assert CURVE.fmr(-1.0) == pytest.approx(1e-1)
    assert CURVE.threshold(0.9) == pytest.approx(0.2)


def test_threshold_and_rate_undo_each_other() -> None:
    for rate in np.geomspace(1e-7, 1e-1, 13):
        assert CURVE.fmr(CURVE.threshold(float(rate))) == pytest.approx(float(rate))


def test_a_larger_gallery_needs_a_higher_threshold() -> None:
    assert CURVE.threshold_for_gallery(10, fpir=0.01) == pytest.approx(CURVE.threshold(1e-3))
    assert CURVE.threshold_for_gallery(1000) > CURVE.threshold_for_gallery(100)
    assert CURVE.threshold_for_gallery(0) == CURVE.threshold_for_gallery(1)


def test_it_survives_being_written_down() -> None:
    assert ImpostorCurve.from_dict(CURVE.to_dict()) == CURVE
