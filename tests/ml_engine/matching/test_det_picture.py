"""The DET curve as a picture."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest

from ml_engine.matching.det_picture import DARK, LIGHT, Theme, Threshold, det_svg
from ml_engine.matching.error_rates import DetPoint

POINTS = [
    DetPoint(0.1, 0.9, 0.0),
    DetPoint(0.2, 0.1, 0.001),
    DetPoint(0.4, 0.01, 0.02),
    DetPoint(0.6, 0.0001, 0.1),
    DetPoint(0.8, 0.0, 0.6),
]


def drawn(points: list[DetPoint] = POINTS, **options: Any) -> str:
    picture = det_svg(points, **{"measured_until": 0.4} | options).decode()
    assert ElementTree.fromstring(picture).tag.endswith("svg")
    return picture


def _lines(picture: str, theme: Theme = LIGHT) -> list[str]:
    return [line for line in picture.splitlines() if f'stroke="{theme.curve}"' in line]


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_det_picture_has_the_colours_of_its_theme_and_no_background(theme: Theme) -> None:
    picture = drawn(theme=theme)
    assert all(colour in picture for colour in (theme.curve, theme.inks.line, theme.inks.soft))
    other = DARK if theme is LIGHT else LIGHT
    assert other.curve not in picture
    assert "#ffffff" not in picture


def test_det_picture_dashes_the_curve_beyond_what_was_measured() -> None:
    dashed = ["stroke-dasharray" in line for line in _lines(drawn())]
    assert (dashed.count(True), dashed.count(False)) == (2, 2), "each line, and its legend row"
    assert drawn(measured_until=0.4) != drawn(measured_until=0.6)


def test_det_picture_draws_rarer_matches_further_left_and_more_misses_higher() -> None:
    points = [DetPoint(0.3, 0.1, 0.01), DetPoint(0.5, 0.001, 0.2)]
    (first, second) = (
        tuple(map(float, place.split(",")))
        for place in _lines(drawn(points, measured_until=1))[0].split('"')[1].split()
    )
    assert second[0] < first[0]
    assert second[1] < first[1], "SVG counts from the top"


def test_det_picture_leaves_out_a_threshold_without_a_place() -> None:
    inside = drawn(thresholds=[Threshold("0.400", POINTS[2], is_main=True)])
    outside = drawn(thresholds=[Threshold("0.800", POINTS[4], is_main=True)])
    assert LIGHT.mark in inside
    assert ">0.400</text>" in inside
    assert LIGHT.mark not in outside


@pytest.mark.parametrize("points", [[], POINTS[:1], POINTS[1:2], [POINTS[4]] * 3])
def test_det_picture_of_few_points_still_has_axes(points: list[DetPoint]) -> None:
    assert LIGHT.inks.line in drawn(points)


def test_det_picture_of_the_same_points_is_the_same() -> None:
    assert drawn() == drawn()
