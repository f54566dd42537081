"""Charts of reports, as SVG files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ml_engine.chart import SERIES_COLOURS, Mark, chart_svg, linear_axis, log_axis, series
from ml_engine.evaluation.detection import WiderReport
from ml_engine.evaluation.openset import OpenSetReport
from ml_engine.evaluation.verification import VerificationReport
from ml_engine.matching import ImpostorCurve


def draw_roc(reports: Sequence[VerificationReport], path: Path) -> None:
    """True-match rate over the false-match rate."""
    lines = series(
        (
            f"{report.preset}{', flip-averaged' if report.flip else ''}: "
            f"accuracy {100 * report.accuracy:.2f} %",
            report.roc,
        )
        for report in reports
    )
    lowest = min(report.roc[0][0] for report in reports)
    x = log_axis("false-match rate, all pairs of strangers", lowest, 1)
    y = linear_axis("true-match rate", 0.4, 1.005)
    write_svg(chart_svg(x, y, lines, title="Verification on LFW", legend_at="bottom right"), path)


def draw_openset(report: OpenSetReport, path: Path) -> None:
    """Missed people over strangers named, with the default threshold marked."""
    lines = series([(f"{report.enrolled:,} enrolled, any threshold", report.curve)])
    default = report.at_default[-1]
    label = f"default threshold {default.threshold:.3f}"
    colour = SERIES_COLOURS[1]
    x = log_axis("strangers named (FPIR)", report.curve[0][0], 1)
    y = linear_axis("not named rightly (FNIR)", 0, max(missed for _, missed in report.curve))
    title = f"Identification on LFW, {report.preset}, flip averaging: {report.flip}"
    marks = [Mark(default.fpir, default.fnir, label, colour, colour, is_main=True)]
    write_svg(chart_svg(x, y, lines, title=title, marks=marks), path)


def draw_curves(curves: Sequence[ImpostorCurve], path: Path) -> None:
    """The share of strangers that reaches a score."""
    lines = series(
        (
            f"{curve.model}, {curve.pairs:,} pairs",
            list(zip(curve.scores, curve.rates, strict=True)),
        )
        for curve in curves
    )
    scores = [score for curve in curves for score in curve.scores]
    lowest = min(curve.rates[-1] for curve in curves)
    x = linear_axis("similarity", min(scores), max(scores))
    y = log_axis("share of strangers that reach it", lowest, 1)
    picture = chart_svg(x, y, lines, title="Impostor score curves", legend_at="bottom left")
    write_svg(picture, path)


def draw_precision(report: WiderReport, path: Path) -> None:
    """Precision over recall, by level."""
    lines = series(
        (
            f"{level}: AP {report.ap[level]:.3f}",
            list(zip(curve.recall, curve.precision, strict=True)),
        )
        for level, curve in report.curves.items()
    )
    x, y = linear_axis("recall", 0, 1), linear_axis("precision", 0.5, 1.005)
    title = f"{report.detector} on WIDER FACE, smallest face {report.min_face_px} px"
    write_svg(chart_svg(x, y, lines, title=title, legend_at="bottom left"), path)


def write_svg(picture: str, path: Path) -> None:
    """Write a chart; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(picture)
