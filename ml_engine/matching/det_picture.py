"""The DET curve as SVG: the rate of missed people against the rate of false matches.

Both axes are spread as normal deviates, on which normally distributed scores make a straight line
(Martin, Doddington, Kamm, Ordowski, Przybocki, "The DET curve in assessment of detection task
performance", Eurospeech 1997).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from ml_engine.chart import Axis, Colours, Line, Mark, chart_svg
from ml_engine.matching.error_rates import DetPoint

_TICKS = (1e-5, 1e-4, 1e-3, 1e-2, 0.03, 0.1, 0.2, 0.4)
_HIGHEST_RATE = 0.5
_LEAST_RATE = 1e-6
_deviate = NormalDist().inv_cdf


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of a page. curve, mark: of the line, and of the threshold in force."""

    inks: Colours
    curve: str
    mark: str


LIGHT = Theme(Colours(ink="#161a26", soft="#5a6274", line="#c9cfdb"), "#4053e8", "#b4510a")
DARK = Theme(Colours(ink="#e9ecf4", soft="#98a2b8", line="#3a4357"), "#8794ff", "#ffae5c")


@dataclass(frozen=True, slots=True)
class Threshold:
    """A threshold to mark on the curve. is_main: the one in force."""

    label: str
    point: DetPoint
    is_main: bool = False


def det_svg(
    points: Sequence[DetPoint],
    *,
    measured_until: float,
    thresholds: Iterable[Threshold] = (),
    theme: Theme = LIGHT,
) -> bytes:
    """An SVG file with a transparent background.

    Args:
        points: by rising threshold.
        measured_until: beyond this threshold rates of false matches are extrapolated; the curve is
            dashed there.
    """
    shown = [point for point in points if _is_shown(point)]
    lowest_fmr = min((point.fmr for point in shown), default=1e-4)
    lowest_fnmr = min((point.fnmr for point in shown), default=1e-2)
    picture = chart_svg(
        _axis("pairs of strangers that match", lowest_fmr),
        _axis("pairs of photos of one person that do not match", lowest_fnmr),
        [_equal_rates(max(lowest_fmr, lowest_fnmr), theme), *_curve(shown, measured_until, theme)],
        marks=[_mark(each, theme) for each in thresholds if _is_shown(each.point)],
        colours=theme.inks,
    )
    return picture.encode()


def _is_shown(point: DetPoint) -> bool:
    """A rate of 0 has no deviate; rates over a half are of no use."""
    return all(_LEAST_RATE <= rate <= _HIGHEST_RATE for rate in (point.fmr, point.fnmr))


def _axis(label: str, lowest: float) -> Axis:
    low = lowest * 0.7
    ticks = [(tick, f"{100 * tick:g} %") for tick in _TICKS if tick >= low]
    return Axis(label, low, _HIGHEST_RATE, _deviate, ticks)


def _equal_rates(lowest: float, theme: Theme) -> Line:
    ends = [(lowest, lowest), (0.15, 0.15)]
    return Line(ends, theme.inks.soft, "both rates equal", width=0.9, dash="1 3")


def _curve(points: Sequence[DetPoint], measured_until: float, theme: Theme) -> list[Line]:
    measured = [(point.fmr, point.fnmr) for point in points if point.threshold <= measured_until]
    beyond = [(point.fmr, point.fnmr) for point in points[max(0, len(measured) - 1) :]]
    return [
        Line(measured, theme.curve, "measured", width=2.2),
        Line(beyond, theme.curve, "false matches by the model's curve", width=2.2, dash="4 4"),
    ]


def _mark(threshold: Threshold, theme: Theme) -> Mark:
    colour = theme.mark if threshold.is_main else theme.curve
    text_colour = colour if threshold.is_main else theme.inks.ink
    point = threshold.point
    return Mark(
        point.fmr, point.fnmr, threshold.label, colour, text_colour, is_main=threshold.is_main
    )
