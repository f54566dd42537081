"""Genuine and impostor curves as SVG: at each similarity, the share of genuine pairs that reach it,
and the share of pairs of strangers that do. The further apart, the better the model."""

from __future__ import annotations

from collections.abc import Sequence

from ml_engine.chart import Line, chart_svg, linear_axis
from ml_engine.matching.det_picture import LIGHT, Theme
from ml_engine.matching.error_rates import DetPoint


def scores_svg(points: Sequence[DetPoint], *, threshold: float, theme: Theme = LIGHT) -> bytes:
    """An SVG file with a transparent background.

    Args:
        points: by rising threshold.
        threshold: the one in force, drawn as a line.
    """
    lowest = min([threshold, *(point.threshold for point in points)])
    highest = max([threshold, *(point.threshold for point in points)])
    genuine = [(point.threshold, 1 - point.fnmr) for point in points]
    strangers = [(point.threshold, point.fmr) for point in points]
    picture = chart_svg(
        linear_axis("similarity", lowest - 0.02, highest + 0.02),
        linear_axis("share of pairs that reach it", 0.0, 1.0),
        [
            Line(genuine, theme.curve, "photos of one person", width=2.2),
            Line(strangers, theme.mark, "strangers", width=2.2),
            Line([(threshold, 0.0), (threshold, 1.0)], theme.inks.soft, "threshold", dash="4 4"),
        ],
        colours=theme.inks,
    )
    return picture.encode()
