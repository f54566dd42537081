"""The DET curve as a picture."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor

import pytest

from ml_engine.evaluation.det_picture import DARK, LIGHT, Colours, Mark, det_svg
from ml_engine.matching.error_rates import DetPoint

POINTS = [
    DetPoint(0.1, 0.9, 0.0),
    DetPoint(0.2, 0.1, 0.001),
    DetPoint(0.4, 0.01, 0.02),
    DetPoint(0.6, 0.0001, 0.1),
    DetPoint(0.8, 0.0, 0.6),
]


def drawn(points: list[DetPoint] = POINTS, **options: object) -> str:
    picture = det_svg(points, **{"measured_to": 0.4} | options).decode()  # type: ignore[arg-type]
    assert ElementTree.fromstring(picture).tag.endswith("svg")
    return picture


@pytest.mark.parametrize("colours", [LIGHT, DARK])
def test_it_is_drawn_in_the_colours_of_the_page(colours: Colours) -> None:
    picture = drawn(colours=colours)
    assert all(colour in picture for colour in (colours.curve, colours.line, colours.soft))
    other = DARK if colours is LIGHT else LIGHT
    assert other.curve not in picture
    assert "#ffffff" not in picture, "it has no ground of its own"


def test_beyond_what_was_measured_it_is_dashed() -> None:
    lines = [line for line in drawn().splitlines() if LIGHT.curve in line]
    dashed = ["stroke-dasharray" in line for line in lines]
    assert (dashed.count(True), dashed.count(False)) == (2, 2), "each once more in the legend"
    assert drawn(measured_to=0.4) != drawn(measured_to=0.6)


def test_thresholds_beyond_the_picture_are_not_marked() -> None:
    inside = drawn(marks=[Mark("0.400", POINTS[2], is_main=True)])
    outside = drawn(marks=[Mark("0.800", POINTS[4], is_main=True)])
    assert LIGHT.mark in inside
    assert LIGHT.mark not in outside


@pytest.mark.parametrize("points", [[], POINTS[:1], POINTS[1:2], [POINTS[4]] * 3])
def test_of_few_points_there_is_a_picture_too(points: list[DetPoint]) -> None:
    assert LIGHT.line in drawn(points)


def test_threads_draw_the_same() -> None:
    with ThreadPoolExecutor(4) as pool:
        pictures = set(pool.map(lambda _: drawn(), range(8)))
    assert len(pictures) == 1
