"""Accuracy: LFW's protocol, true matches at low false-match rates, identification with strangers,
quality, and the five celebrities. All of it needs only one pass over the photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.document import table
from benchmarks.laboratory import discard
from benchmarks.laboratory.celebs import CelebsReport, evaluate_celebs
from benchmarks.laboratory.charts import draw_discard
from benchmarks.peers import ROOT
from ml_engine import EngineConfig, load_engine
from ml_engine.evaluation import openset, verification
from ml_engine.evaluation.charts import draw_roc
from ml_engine.evaluation.collect import Collected, Variant, collect, nearest_centre
from ml_engine.evaluation.lfw import Pairs, Photos, load_pairs, load_photos, of_folds
from ml_engine.evaluation.report import Interval
from ml_engine.matching.calibration import DEFAULT_FPIR, curve_of
from ml_engine.zoo import presets_of

IMAGES = ROOT / "docs" / "images"
PRESETS = tuple(card.name for card in presets_of("embedder"))
# Which embeddings are averaged with the mirror image: of probes, of enrolled photos.
FLIPS = {"none": (False, False), "enrolled": (False, True), "both": (True, True)}
# Values chosen on the first three folds can be tested on the others: no person is in both.
FOLDS = {"1 to 3": (1, 2, 3), "4 and 5": (4, 5)}


# For lower rates, two folds have too few pairs of strangers.
_HELD_OUT_RATES = 3


@dataclass(frozen=True, slots=True)
class _Seen:
    photos: Photos
    pairs: Pairs
    found: Collected
    detector: str

    def only(self, folds: Sequence[int]) -> _Seen:
        rows, photos, pairs = of_folds(self.photos, self.pairs, folds)
        embeddings = {variant: all_[rows] for variant, all_ in self.found.embeddings.items()}
        return _Seen(
            photos,
            pairs,
            Collected([self.found.faces[row] for row in rows], embeddings),
            self.detector,
        )

    def verification(self, variant: Variant) -> verification.VerificationReport:
        return verification.report(
            self.photos,
            self.pairs,
            self.found.embeddings[variant],
            self.found.has_face,
            variant,
        )

    def openset(self, preset: str, flip: str) -> openset.OpenSetReport:
        of_probe, of_enrolled = FLIPS[flip]
        curve = curve_of(preset, self.detector)
        searches = openset.search(
            self.photos.people,
            self.found.embeddings[Variant(preset, of_enrolled)],
            self.found.embeddings[Variant(preset, of_probe)],
            self.found.has_face,
            curve.scoring,
        )
        return openset.openset_report(
            searches,
            preset=preset,
            curve=curve,
            flip=flip,
            without_face=int((~self.found.has_face).sum()),
        )


def benchmark(weights: Path, data: Path, rounds: int) -> str:
    """The block as Markdown; draws docs/images/roc.svg and discard.svg. Needs the photos."""
    engine = load_engine(EngineConfig(weights_dir=weights))
    photos = load_photos(data)
    variants = [Variant(preset, flip) for preset in PRESETS for flip in (False, True)]
    found = collect(engine, photos.paths, variants, choose=nearest_centre, title="LFW")
    seen = _Seen(photos, load_pairs(data, photos), found, engine.detector)
    reports = [seen.verification(variant) for variant in variants]
    quality = discard.discard_report(photos, found, Variant(PRESETS[0]))
    draw_roc(reports, IMAGES / "roc.svg")
    draw_discard(quality, IMAGES / "discard.svg")
    celebs = evaluate_celebs(engine, data / "celebs5", PRESETS[0], strangers=data / "lfw")
    engine.close()
    return "\n\n".join(
        ["## Recognising", *_verified(reports), *_identified(seen), *_held_out(seen),
         *_quality(quality), *_celebs(celebs)]
    )  # fmt: skip


def _verified(reports: list[verification.VerificationReport]) -> list[str]:
    rows = [
        [
            f"{report.preset}{', flip-averaged' if report.flip else ''}",
            f"{100 * report.accuracy:.2f} ± {100 * report.standard_error:.2f}",
            *_matched(report),
        ]
        for report in reports
    ]
    rates = [f"TMR at FMR {point.fmr:.0e}" for point in reports[0].points]
    one = reports[0]
    return [
        "### Are two photos of one person? (LFW, folds 1 to 5)",
        table(["embedder", "accuracy %", *rates], rows),
        f"{one.photos:,} photos, {len(one.without_face)} without a face (they would count as "
        f"failures); accuracy over {len(one.folds)} folds of the standard protocol, each with the "
        f"threshold of the others, and its standard error; TMR over all {one.genuine_pairs:,} "
        f"genuine and {one.impostor_pairs:,} impostor pairs, in brackets 95 % bootstrap intervals "
        "over people.",
        "![True-match rate over false-match rate](images/roc.svg)",
    ]


def _matched(report: verification.VerificationReport) -> list[str]:
    return [
        f"{point.tmr:.4f} ({low:.3f} to {high:.3f})"
        for point, (low, high) in zip(report.points, report.intervals, strict=True)
    ]


def _held_out(seen: _Seen) -> list[str]:
    parts = {name: seen.only(folds) for name, folds in FOLDS.items()}
    rows, counts = [], []
    for name, part in parts.items():
        one = part.verification(Variant(PRESETS[0], flip=True))
        enrolled = part.openset(PRESETS[0], "enrolled")
        counts.append(
            f"Folds {name}: {one.genuine_pairs:,} genuine and {one.impostor_pairs:,} impostor "
            f"pairs; {enrolled.enrolled} enrolled, {enrolled.probes:,} probes, "
            f"{enrolled.strangers} strangers."
        )
    for preset in PRESETS:
        for name, part in parts.items():
            report = part.verification(Variant(preset, flip=True))
            named = part.openset(preset, "enrolled")
            rows.append(
                [f"{preset}, folds {name}", f"{100 * report.accuracy:.2f}",
                 *_matched(report)[:_HELD_OUT_RATES], _interval(named.rank_1),
                 _interval(named.fnir[openset.FPIRS[0]])]
            )  # fmt: skip
    rates = [f"TMR at FMR {rate:.0e}" for rate in verification.RATES[:_HELD_OUT_RATES]]
    head = ["", "accuracy %", *rates, "rank 1", "FNIR at FPIR 1 %"]
    return [
        "### What had a part in choices, and what had none",
        table(head, rows),
        " ".join(counts) + " Nobody is in both; what was chosen on the first is in "
        "[models.md](models.md). Verification with both photos averaged with their mirror images, "
        "identification with the enrolled ones averaged.",
    ]


def _identified(seen: _Seen) -> list[str]:
    reports = [(seen.openset(preset, flip)) for preset in PRESETS for flip in FLIPS]
    rows = [
        [f"{r.preset}, flip-averaged: {r.flip}", _interval(r.rank_1)]
        + [_interval(value) for value in r.fnir.values()]
        for r in reports
    ]
    sizes = [
        [
            f"{r.preset}, {row.gallery} enrolled",
            f"{row.threshold:.3f}",
            f"{100 * row.fpir:.2f}",
            f"{row.fnir:.4f}",
        ]
        for r in reports
        if r.flip == "enrolled"
        for row in r.at_default
    ]
    one = reports[0]
    rates = [f"FNIR at FPIR {100 * rate:g} %" for rate in one.fnir]
    return [
        "### Who is it, or is it a stranger? (LFW)",
        table(["embedder", "rank 1", *rates], rows),
        f"{one.enrolled} people enrolled with one photo each, {one.probes:,} probes, "
        f"{one.strangers:,} strangers; in brackets 95 % bootstrap intervals over people. 0.1 % of "
        "the strangers is one of them, so that column says little.",
        "What the default thresholds give, as in service (enrolled faces averaged, live ones not), "
        f"where {100 * DEFAULT_FPIR:g} % of strangers named is aimed at:",
        table(["", "threshold", "strangers named %", "FNIR"], sizes),
    ]


def _interval(value: Interval) -> str:
    return f"{value.value:.4f} ({value.low:.3f} to {value.high:.3f})"


def _quality(report: discard.DiscardReport) -> list[str]:
    shown = [report.shares.index(share) for share in discard.SHOWN]
    rows = [
        [f"by {name}", *(f"{values[column]:.4f}" for column in shown)]
        for name, values in report.fnmr.items()
    ]
    return [
        "### Does quality predict errors?",
        table(["FNMR after throwing away the worst", *(f"{s:.0%}" for s in discard.SHOWN)], rows),
        f"{report.preset}, {report.pairs:,} genuine pairs of LFW at FMR {report.fmr:.0e}.",
        "![Error versus discard](images/discard.svg)",
    ]


def _celebs(report: CelebsReport) -> list[str]:
    return ["### Five celebrities and the people of LFW", "```\n" + report.as_text() + "\n```"]
