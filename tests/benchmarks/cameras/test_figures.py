"""Slopes with their intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.cameras.figures import minute_means, percentile, slope_of


def test_slope_of_a_straight_line_has_no_interval() -> None:
    minutes = [number / 12 for number in range(120)]
    found = slope_of(minutes, [100 + 0.5 * math.floor(minute) for minute in minutes])
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5))


def test_interval_of_a_slope_holds_the_truth_in_nearly_all_runs() -> None:
    minutes = np.arange(0, 45, 1 / 12)
    held = 0
    for seed in range(200):
        noise = np.random.default_rng(seed).normal(0, 2, len(minutes))
        found = slope_of(minutes.tolist(), (300 + 0.05 * minutes + noise).tolist())
        held += found.low <= 0.05 <= found.high
    assert 180 <= held <= 199


def test_samples_that_are_alike_do_not_narrow_the_interval() -> None:
    minutes, values = [0.5, 1.5, 2.5, 3.5], [1.0, 3.0, 2.0, 4.0]
    once, often = slope_of(minutes, values), slope_of(minutes * 12, values * 12)
    assert often == once


def test_slope_needs_three_minutes() -> None:
    assert math.isnan(slope_of([0.1, 0.2, 1.9], [1.0, 2.0, 3.0]).value)


def test_minutes_are_told_by_their_middle() -> None:
    assert minute_means([0.0, 0.9, 2.1], [1.0, 2.0, 7.0]) == [(0.5, 1.5), (2.5, 7.0)]


def test_percentile_of_nothing_is_no_number() -> None:
    assert math.isnan(percentile([], 95))
    assert percentile([1.0, 3.0], 50) == 2.0
