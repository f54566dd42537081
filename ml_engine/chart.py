"""Line charts as plain SVG text, with nothing but the standard library.

A chart has two axes, lines and marks. Its background is transparent, so the same picture suits a
page of any colour; the caller gives the colours of ink and grid.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

Scale = Callable[[float], float]
Corner = Literal["top right", "top left", "bottom right", "bottom left"]

_WIDTH, _HEIGHT = 640, 470
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 16, 34, 54
_PLOT_WIDTH, _PLOT_HEIGHT = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
_LEGEND_ROW, _LEGEND_SWATCH = 19, 26
_TICKS = 6  # of a linear axis, about
# Told apart by people who do not see all colours (Okabe and Ito, "Color Universal Design", 2008).
SERIES_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#666666")


@dataclass(frozen=True, slots=True)
class Colours:
    """ink: strong text. soft: labels. line: frame and grid."""

    ink: str = "#161a26"
    soft: str = "#5a6274"
    line: str = "#c9cfdb"


@dataclass(frozen=True, slots=True)
class Axis:
    """scale: maps a value to the place that it is drawn at, in any unit. ticks: value and text."""

    label: str
    low: float
    high: float
    scale: Scale
    ticks: Sequence[tuple[float, str]]

    def place(self, value: float) -> float:
        """0 at the low end of the axis, 1 at the high end."""
        low, high = self.scale(self.low), self.scale(self.high)
        return (self.scale(value) - low) / (high - low)


@dataclass(frozen=True, slots=True)
class Line:
    """points: x and y. dash: as in SVG's `stroke-dasharray`; empty for a solid line."""

    points: Sequence[tuple[float, float]]
    colour: str
    label: str
    width: float = 2.0
    dash: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """A dot at x, y with a text beside it."""

    x: float
    y: float
    label: str
    colour: str
    text_colour: str
    is_main: bool = False


def linear_axis(label: str, low: float, high: float) -> Axis:
    """An axis with ticks at round numbers."""
    step = _round_step((high - low) / _TICKS)
    first = math.ceil(low / step - 1e-9)
    count = math.floor(high / step + 1e-9) - first + 1
    values = [(first + number) * step for number in range(count)]
    return Axis(label, low, high, float, [(value, f"{value:.10g}") for value in values])


def log_axis(label: str, low: float, high: float) -> Axis:
    """An axis with a tick at each power of ten. `low` must be over 0."""
    powers = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
    return Axis(label, low, high, math.log10, [(10.0**power, f"1e{power}") for power in powers])


def series(lines: Iterable[tuple[str, Sequence[tuple[float, float]]]]) -> list[Line]:
    """Lines by label and points, each in a colour of its own."""
    return [
        Line(points, SERIES_COLOURS[number % len(SERIES_COLOURS)], label)
        for number, (label, points) in enumerate(lines)
    ]


def chart_svg(
    x: Axis,
    y: Axis,
    lines: Sequence[Line],
    *,
    title: str = "",
    marks: Iterable[Mark] = (),
    colours: Colours | None = None,
    legend_at: Corner = "top right",
) -> str:
    """The chart. Lines are cut off at the frame; marks outside of it are left out.

    Args:
        legend_at: the corner in which the lines leave room for the legend.
    """
    inks = colours or Colours()
    parts = [
        *_frame(x, y, inks),
        *(_polyline(line, x, y) for line in lines if line.points),
        *(text for mark in marks if _is_inside(mark, x, y) for text in _mark(mark, x, y)),
        *_legend(lines, inks, legend_at),
    ]
    if title:
        parts.append(_text(_WIDTH / 2, _TOP - 14, title, inks.ink, anchor="middle", size=14))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}" font-family="system-ui, sans-serif" font-size="12">\n'
        f'<clipPath id="plot"><rect x="{_LEFT}" y="{_TOP}" width="{_PLOT_WIDTH}" '
        f'height="{_PLOT_HEIGHT}"/></clipPath>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _round_step(step: float) -> float:
    """The next larger of 1, 2 and 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * factor for factor in (1, 2, 5, 10) if step <= power * factor * (1 + 1e-9))


def _left_of(axis: Axis, value: float) -> float:
    return _LEFT + axis.place(value) * _PLOT_WIDTH


def _top_of(axis: Axis, value: float) -> float:
    return _TOP + (1 - axis.place(value)) * _PLOT_HEIGHT


def _frame(x: Axis, y: Axis, inks: Colours) -> list[str]:
    right, bottom = _LEFT + _PLOT_WIDTH, _TOP + _PLOT_HEIGHT
    parts = [
        f'<rect x="{_LEFT}" y="{_TOP}" width="{_PLOT_WIDTH}" height="{_PLOT_HEIGHT}" '
        f'fill="none" stroke="{inks.line}"/>'
    ]
    for value, text in x.ticks:
        at = _left_of(x, value)
        parts += [
            f'<path d="M{at:.1f} {_TOP}V{bottom}" stroke="{inks.line}" stroke-width="0.6"/>',
            _text(at, bottom + 17, text, inks.soft, anchor="middle"),
        ]
    for value, text in y.ticks:
        at = _top_of(y, value)
        parts += [
            f'<path d="M{_LEFT} {at:.1f}H{right}" stroke="{inks.line}" stroke-width="0.6"/>',
            _text(_LEFT - 8, at + 4, text, inks.soft, anchor="end"),
        ]
    parts.append(_text(_LEFT + _PLOT_WIDTH / 2, _HEIGHT - 14, x.label, inks.soft, anchor="middle"))
    middle = _TOP + _PLOT_HEIGHT / 2
    turned = f' transform="rotate(-90 18 {middle:.1f})"'
    parts.append(_text(18, middle, y.label, inks.soft, anchor="middle", more=turned))
    return parts


def _polyline(line: Line, x: Axis, y: Axis) -> str:
    places = " ".join(f"{_left_of(x, a):.1f},{_top_of(y, b):.1f}" for a, b in line.points)
    return f'<polyline points="{places}" clip-path="url(#plot)" {_stroke(line)}/>'


def _stroke(line: Line) -> str:
    dash = f' stroke-dasharray="{line.dash}"' if line.dash else ""
    return f'fill="none" stroke="{line.colour}" stroke-width="{line.width:g}"{dash}'


def _is_inside(mark: Mark, x: Axis, y: Axis) -> bool:
    return x.low <= mark.x <= x.high and y.low <= mark.y <= y.high


def _mark(mark: Mark, x: Axis, y: Axis) -> list[str]:
    left, top = _left_of(x, mark.x), _top_of(y, mark.y)
    radius, lift, weight = (5.5, 10, "bold") if mark.is_main else (3.5, 6, "normal")
    more = f' font-weight="{weight}"'
    return [
        f'<circle cx="{left:.1f}" cy="{top:.1f}" r="{radius}" fill="{mark.colour}"/>',
        _text(left + 9, top - lift, mark.label, mark.text_colour, more=more),
    ]


def _legend(lines: Sequence[Line], inks: Colours, at: Corner) -> list[str]:
    """A row for each line. On the right the text ends at the swatch, so no width is needed."""
    labelled = [line for line in lines if line.label]
    first = _TOP + 16
    if at.startswith("bottom"):
        first = _TOP + _PLOT_HEIGHT - 16 - (len(labelled) - 1) * _LEGEND_ROW
    is_right = at.endswith("right")
    start = _LEFT + _PLOT_WIDTH - 10 - _LEGEND_SWATCH if is_right else _LEFT + 10
    text_at = start - 7 if is_right else start + _LEGEND_SWATCH + 7
    parts = []
    for row, line in enumerate(labelled):
        top = first + row * _LEGEND_ROW
        parts += [
            f'<path d="M{start} {top}h{_LEGEND_SWATCH}" {_stroke(line)}/>',
            _text(text_at, top + 4, line.label, inks.ink, anchor="end" if is_right else "start"),
        ]
    return parts


def _text(
    x: float,
    y: float,
    text: str,
    colour: str,
    *,
    anchor: str = "start",
    size: int = 12,
    more: str = "",
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}" '
        f'font-size="{size}"{more}>{escape(text)}</text>'
    )
