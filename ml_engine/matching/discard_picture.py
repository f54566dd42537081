"""The error-against-discard curve as SVG; see `ml_engine.matching.discard`."""

from __future__ import annotations

from collections.abc import Sequence

from ml_engine.chart import Line, chart_svg, linear_axis
from ml_engine.matching.det_picture import LIGHT, Theme
from ml_engine.matching.discard import DiscardPoint


def discard_svg(points: Sequence[DiscardPoint], *, theme: Theme = LIGHT) -> bytes:
    """An SVG file with a transparent background."""
    line = [(100 * point.discarded, 100 * point.fnmr) for point in points]
    missed = points[0].fnmr
    best = [
        (100 * share, 100 * max(0.0, missed - share) / (1 - share))
        for share in (point.discarded for point in points)
    ]
    highest = max(left for _, left in line)
    picture = chart_svg(
        linear_axis("pairs of photos discarded, worst quality first, %", 0, line[-1][0]),
        linear_axis("of the others not matched, %", 0, 1.1 * highest or 1.0),
        [
            Line(line, theme.curve, "by quality", width=2.2),
            Line(best, theme.inks.soft, "if quality told every miss", dash="4 4"),
        ],
        colours=theme.inks,
    )
    return picture.encode()
