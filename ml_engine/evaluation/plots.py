"""Pictures of reports, as PNG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ml_engine.evaluation.detection import WiderReport
from ml_engine.evaluation.discard import DiscardReport
from ml_engine.evaluation.halves import BAND, HalvesReport
from ml_engine.evaluation.openset import OpenSetReport
from ml_engine.evaluation.soak import SoakReport
from ml_engine.evaluation.throughput import ThroughputReport
from ml_engine.evaluation.verification import VerificationReport
from ml_engine.matching import ImpostorCurve

_INCHES, _DOTS = (7.0, 4.6), 130


def draw_roc(reports: Sequence[VerificationReport], path: Path) -> None:
    """True-match rate over the logarithm of the false-match rate."""
    with _axes(path) as axes:
        for report in reports:
            label = f"{report.preset}{', flip-averaged' if report.flip else ''}"
            rates, matched = zip(*report.roc, strict=True)
            axes.plot(rates, matched, label=f"{label}: accuracy {100 * report.accuracy:.2f} %")
        axes.set_xscale("log")
        axes.set_xlabel("false-match rate, all pairs of strangers")
        axes.set_ylabel("true-match rate")
        axes.set_ylim(0.4, 1.005)
        axes.set_title("Verification on LFW")


def draw_openset(report: OpenSetReport, path: Path) -> None:
    """Missed over strangers named, and where the default threshold lies."""
    with _axes(path) as axes:
        named, missed = zip(*report.curve, strict=True)
        axes.plot(named, missed, label=f"{report.enrolled:,} enrolled, any threshold")
        default = report.at_default[-1]
        axes.plot(
            [default.fpir], [default.fnir], "o", label=f"default threshold {default.threshold:.3f}"
        )
        axes.set_xscale("log")
        axes.set_xlabel("strangers named (FPIR)")
        axes.set_ylabel("not named rightly (FNIR)")
        axes.set_ylim(bottom=0)
        axes.set_title(f"Identification on LFW, {report.preset}, flip averaging: {report.flip}")


def draw_halves(report: HalvesReport, path: Path) -> None:
    """How often each share of strangers was named, and what nine of ten are held against."""
    with _axes(path) as axes:
        shares = [100 * share for share in report.fpirs]
        axes.hist(shares, bins=20, label=f"{report.halves} halves")
        for edge in BAND:
            axes.axvline(100 * edge, color="black", linestyle="--")
        axes.set_xlabel("strangers named in the other half, %")
        axes.set_ylabel("halves")
        axes.set_title(f"One in a hundred asked for, {report.preset}")


def draw_throughput(report: ThroughputReport, path: Path) -> None:
    """Items a second over the size of a batch, by stage."""
    with _axes(path) as axes:
        for stage in dict.fromkeys(row.stage for row in report.timings):
            rows = [row for row in report.timings if row.stage == stage]
            axes.plot(
                [row.batch for row in rows], [row.per_second for row in rows], "o-", label=stage
            )
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xlabel("pictures or faces in a call")
        axes.set_ylabel("of them a second")
        axes.set_title(f"{report.device}, {report.size[0]}x{report.size[1]}")


def draw_curves(curves: Sequence[ImpostorCurve], path: Path) -> None:
    """How often strangers reach a score."""
    with _axes(path) as axes:
        for curve in curves:
            axes.plot(
                curve.scores, curve.rates, ".-", label=f"{curve.model}, {curve.pairs:,} pairs"
            )
        axes.set_yscale("log")
        axes.set_xlabel("similarity")
        axes.set_ylabel("share of strangers that reach it")
        axes.set_title("Impostor score curves")


def draw_discard(report: DiscardReport, path: Path) -> None:
    """What is still missed after the worst pairs were thrown away."""
    with _axes(path) as axes:
        for name, values in report.fnmr.items():
            width = 2.5 if name == "quality" else 1.0
            shares = [100 * share for share in report.shares]
            axes.plot(shares, [100 * value for value in values], label=name, linewidth=width)
        axes.set_xlabel("genuine pairs thrown away, worst first, %")
        axes.set_ylabel("of the rest not matched, %")
        axes.set_ylim(bottom=0)
        axes.set_title(f"Error versus discard, {report.preset}, FMR {report.fmr:.0e}")


def draw_precision(report: WiderReport, path: Path) -> None:
    """Precision over recall, by level."""
    with _axes(path) as axes:
        for level, curve in report.curves.items():
            label = f"{level}: AP {report.ap[level]:.3f}"
            axes.plot(curve.recall, curve.precision, label=label)
        axes.set_xlabel("recall")
        axes.set_ylabel("precision")
        axes.set_xlim(0, 1)
        axes.set_ylim(0.5, 1.005)
        axes.set_title(f"{report.detector} on WIDER FACE, smallest face {report.min_face_px} px")


def draw_soak(report: SoakReport, path: Path) -> None:
    """Memory, threads and handles over frames, each as a share of what it was at the first."""
    with _axes(path) as axes:
        frames = [sample.frames for sample in report.samples]
        for name, label in (
            ("anonymous_mb", "anonymous memory, MB"),
            ("threads", "threads"),
            ("handles", "open handles"),
        ):
            values = [getattr(sample, name) for sample in report.samples]
            axes.plot(
                frames,
                [value / values[0] for value in values],
                label=f"{label}: {values[0]:.0f} at first",
            )
        axes.set_xlabel("frames")
        axes.set_ylabel("of what it was at first")
        axes.set_ylim(0, 2)
        axes.set_title(f"{report.frames:,} frames, {report.device}")


@contextmanager
def _axes(path: Path) -> Iterator[Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=_INCHES, dpi=_DOTS, layout="constrained")
    axes = figure.add_subplot()
    axes.grid(visible=True, alpha=0.3)
    yield axes
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png")
