"""Charts of the reports of this package, as SVG files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmarks.laboratory.discard import DiscardReport
from benchmarks.laboratory.soak import SoakReport
from ml_engine.chart import chart_svg, linear_axis, series
from ml_engine.evaluation.charts import write_svg

_SOAK_LINES = {
    "anonymous_mb": "anonymous memory, MB",
    "threads": "threads",
    "handles": "open handles",
}


def draw_discard(report: DiscardReport, path: Path) -> None:
    """The error rate that remains after the worst pairs were discarded."""
    shares = [100 * share for share in report.shares]
    lines = series(
        (name, list(zip(shares, [100 * value for value in values], strict=True)))
        for name, values in report.fnmr.items()
    )
    highest = max(value for line in lines for _, value in line.points)
    picture = chart_svg(
        linear_axis("genuine pairs discarded, worst first, %", 0, shares[-1]),
        linear_axis("of the rest not matched, %", 0, 1.1 * highest),
        [replace(line, width=3.0) if line.label == "quality" else line for line in lines],
        title=f"Error versus discard, {report.preset}, FMR {report.fmr:.0e}",
        legend_at="bottom left",
    )
    write_svg(picture, path)


def draw_soak(report: SoakReport, path: Path) -> None:
    """Memory, threads and handles over frames, each as a share of its first value."""

    def course(name: str) -> list[tuple[float, float]]:
        first = getattr(report.samples[0], name)
        return [(sample.frames, getattr(sample, name) / first) for sample in report.samples]

    first = report.samples[0]
    lines = series(
        (f"{label}: {getattr(first, name):.0f} at first", course(name))
        for name, label in _SOAK_LINES.items()
    )
    picture = chart_svg(
        linear_axis("frames", 0, max(1, report.frames)),
        linear_axis("share of the first value", 0, 2),
        lines,
        title=f"{report.frames:,} frames, {report.device}",
    )
    write_svg(picture, path)
