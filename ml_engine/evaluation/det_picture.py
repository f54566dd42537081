"""The DET curve as a picture: how many are missed against how many strangers match.

Both axes are spread as normal deviates, on which scores that are distributed normally make a line
(Martin, Doddington, Kamm, Ordowski, Przybocki, "The DET curve in assessment of detection task
performance", Eurospeech 1997).
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from ml_engine.matching.error_rates import DetPoint

_INCHES = (6.2, 4.7)
_TICKS = (1e-5, 1e-4, 1e-3, 1e-2, 0.03, 0.1, 0.2, 0.4)
_MOST = 0.5
_LEAST = 1e-6
_NORMAL = NormalDist()
# matplotlib keeps fonts and settings for the whole process.
_drawing = threading.Lock()


@dataclass(frozen=True, slots=True)
class Colours:
    ink: str
    soft: str
    line: str
    curve: str
    mark: str


LIGHT = Colours(ink="#161a26", soft="#5a6274", line="#c9cfdb", curve="#4053e8", mark="#b4510a")
DARK = Colours(ink="#e9ecf4", soft="#98a2b8", line="#3a4357", curve="#8794ff", mark="#ffae5c")


@dataclass(frozen=True, slots=True)
class Mark:
    """A threshold that is pointed out. is_main: the one in force."""

    label: str
    point: DetPoint
    is_main: bool = False


def det_svg(
    points: Sequence[DetPoint],
    *,
    measured_to: float,
    marks: Iterable[Mark] = (),
    colours: Colours = LIGHT,
) -> bytes:
    """An SVG on no ground of its own.

    Args:
        points: by rising threshold.
        measured_to: the threshold from which on rates of false matches are no measurement; the
            curve is dashed there.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with _drawing, mpl.rc_context({"svg.hashsalt": "det", "font.size": 10}):
        figure = Figure(figsize=_INCHES, layout="constrained")
        axes = figure.add_subplot()
        shown = [point for point in points if _is_shown(point)]
        _draw_axes(axes, shown, colours)
        _draw_curve(axes, shown, measured_to, colours)
        for mark in marks:
            if _is_shown(mark.point):
                _draw_mark(axes, mark, colours)
        axes.legend(frameon=False, labelcolor=colours.ink, loc="upper right")
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return buffer.getvalue()


def _is_shown(point: DetPoint) -> bool:
    """Neither zero nor beyond the picture."""
    return _LEAST <= point.fmr <= _MOST and _LEAST <= point.fnmr <= _MOST


def _draw_axes(axes: Any, points: Sequence[DetPoint], colours: Colours) -> None:
    lowest = {
        "x": min((point.fmr for point in points), default=1e-4),
        "y": min((point.fnmr for point in points), default=1e-2),
    }
    for axis, rate in lowest.items():
        ticks = [tick for tick in _TICKS if tick >= rate * 0.7]
        getattr(axes, f"set_{axis}lim")(_deviate(rate * 0.7), _deviate(_MOST))
        getattr(axes, f"set_{axis}ticks")(
            [_deviate(tick) for tick in ticks], [f"{100 * tick:g} %" for tick in ticks]
        )
    axes.set_xlabel("strangers who match, of all pairs of two people", color=colours.soft)
    axes.set_ylabel("pairs of pictures of one person that do not", color=colours.soft)
    axes.grid(visible=True, color=colours.line, linewidth=0.6)
    axes.tick_params(colors=colours.soft, length=0, labelsize=8.5)
    for spine in axes.spines.values():
        spine.set_color(colours.line)
    equal = [_deviate(max(lowest.values())), _deviate(0.15)]
    axes.plot(equal, equal, color=colours.soft, linewidth=0.9, linestyle=":", label="both equal")


def _draw_curve(
    axes: Any, points: Sequence[DetPoint], measured_to: float, colours: Colours
) -> None:
    measured = [point for point in points if point.threshold <= measured_to]
    beyond = points[max(0, len(measured) - 1) :]
    for part, style, label in (
        (measured, "-", "measured"),
        (beyond, (0, (2, 2)), "strangers after the model's curve"),
    ):
        fmrs, fnmrs = ([_deviate(getattr(p, name)) for p in part] for name in ("fmr", "fnmr"))
        axes.plot(fmrs, fnmrs, color=colours.curve, linewidth=2.2, linestyle=style, label=label)


def _draw_mark(axes: Any, mark: Mark, colours: Colours) -> None:
    colour = colours.mark if mark.is_main else colours.curve
    place = _deviate(mark.point.fmr), _deviate(mark.point.fnmr)
    axes.plot(*place, marker="o", markersize=9 if mark.is_main else 6, color=colour)
    axes.annotate(
        mark.label,
        place,
        xytext=(9, 10 if mark.is_main else 6),
        textcoords="offset points",
        color=colour if mark.is_main else colours.ink,
        fontweight="bold" if mark.is_main else "normal",
    )


def _deviate(rate: float) -> float:
    return _NORMAL.inv_cdf(rate)
