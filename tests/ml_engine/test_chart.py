"""Charts as SVG."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from ml_engine.chart import Line, Mark, chart_svg, linear_axis, log_axis, series


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 1, ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
        (0.4, 1.005, ["0.4", "0.6", "0.8", "1"]),
        (0, 20_000, ["0", "5000", "10000", "15000", "20000"]),
    ],
)
def test_linear_axis_has_ticks_at_round_numbers(low: float, high: float, ticks: list[str]) -> None:
    assert [text for _, text in linear_axis("x", low, high).ticks] == ticks


def test_log_axis_has_a_tick_at_each_power_of_ten_and_even_steps() -> None:
    axis = log_axis("x", 1e-4, 1)
    assert [value for value, _ in axis.ticks] == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1])
    assert [axis.place(value) for value, _ in axis.ticks] == pytest.approx([0, 0.25, 0.5, 0.75, 1])


def test_chart_is_xml_with_every_label_escaped() -> None:
    axis = linear_axis("a < b", 0, 1)
    picture = chart_svg(axis, axis, series([("R&D", [(0, 0), (1, 1)])]), title="<title>")
    texts = [node.text for node in ElementTree.fromstring(picture).iter() if node.text]
    assert {"a < b", "R&D", "<title>"} <= set(texts)


def test_chart_leaves_out_marks_outside_of_its_frame() -> None:
    axis = linear_axis("x", 0, 1)
    marks = [Mark(0.5, 0.5, "in", "#000", "#000"), Mark(2, 0.5, "out", "#000", "#000")]
    picture = chart_svg(axis, axis, [], marks=marks)
    assert ">in</text>" in picture
    assert ">out</text>" not in picture


def test_chart_skips_empty_lines_and_keeps_their_legend() -> None:
    axis = linear_axis("x", 0, 1)
    picture = chart_svg(axis, axis, [Line([], "#123456", "nothing yet")])
    assert "<polyline" not in picture
    assert "nothing yet" in picture


def test_series_gives_each_line_a_colour_of_its_own() -> None:
    colours = [line.colour for line in series([(str(n), []) for n in range(7)])]
    assert len(set(colours)) == 7
