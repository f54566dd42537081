"""`python -m ml_engine.evaluation COMMAND`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ml_engine.arguments import add_preset
from ml_engine.evaluation.arguments import (
    add_command,
    add_data,
    add_folds,
    add_presets,
    add_svg,
    build_engine,
    deliver,
    run_command,
)
from ml_engine.zoo import presets_of

if TYPE_CHECKING:
    from ml_engine.evaluation.arguments import Commands

_CURVES = Path(__file__).resolve().parent.parent / "zoo" / "curves"
_DESCRIPTION = """\
Measure models on known data, and calibrate them. Every command shows its progress, prints a report,
and on request writes it as JSON and as a chart.
"""
_EXAMPLES = """\
examples:
  python -m ml_engine.evaluation lfw --data ../shared/data/lfw --flip --json lfw.json --svg roc.svg
  python -m ml_engine.evaluation lfw --data ../shared/data/lfw --folds 4,5
  python -m ml_engine.evaluation lfw --data FOLDER --pairs pairs.txt
  python -m ml_engine.evaluation openset --data ../shared/data/lfw --preset dlib_resnet
  python -m ml_engine.evaluation wider --data ../shared/data/wider --min-face 20
  python -m ml_engine.evaluation calibrate --data FOLDER --detector yunet --out FOLDER
"""


def main(arguments: Sequence[str] | None = None) -> int:
    return run_command(_parser(), arguments)


def _lfw(options: argparse.Namespace) -> None:
    from ml_engine.evaluation.charts import draw_roc
    from ml_engine.evaluation.verification import evaluate_lfw

    engine = build_engine(options)
    reports = [
        evaluate_lfw(
            engine,
            options.data,
            preset,
            flip=options.flip,
            folds=options.folds,
            pairs_file=options.pairs,
        )
        for preset in options.presets or [engine.config.embedder]
    ]
    deliver(options, reports, lambda path: draw_roc(reports, path))


def _openset(options: argparse.Namespace) -> None:
    from ml_engine.evaluation.charts import draw_openset
    from ml_engine.evaluation.openset import evaluate_openset

    report = evaluate_openset(
        build_engine(options),
        options.data,
        options.preset,
        flip=options.flip,
        flip_enrolled=options.flip_enrolled,
        folds=options.folds,
    )
    deliver(options, [report], lambda path: draw_openset(report, path))


def _wider(options: argparse.Namespace) -> None:
    from tqdm import tqdm

    from ml_engine.detection import load_detector
    from ml_engine.evaluation.charts import draw_precision
    from ml_engine.evaluation.detection import evaluate_wider, load_wider
    from ml_engine.runtime.device import resolve_device
    from ml_engine.runtime.threads import set_threads

    device = resolve_device(options.device)
    set_threads(device.threads)
    detector = load_detector(options.detector, options.weights, device)
    photos = tqdm(load_wider(options.data), "WIDER FACE", unit="photo")
    report = evaluate_wider(detector, photos, min_face_px=options.min_face)
    deliver(options, [report], lambda path: draw_precision(report, path))


def _calibrate(options: argparse.Namespace) -> None:
    from ml_engine.evaluation.calibrate import LFW, CurveReport, calibrate, write_curve
    from ml_engine.evaluation.charts import draw_curves

    presets = options.presets or [card.name for card in presets_of("embedder")]
    curves = calibrate(build_engine(options), options.data, presets, source=options.source or LFW)
    reports = [CurveReport(curve, write_curve(curve, options.out)) for curve in curves]
    deliver(options, reports, lambda path: draw_curves(curves, path))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ml_engine.evaluation",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    _add_lfw(commands)
    _add_openset(commands)
    _add_wider(commands)
    _add_calibrate(commands)
    return parser


def _add_lfw(commands: Commands) -> None:
    lfw = add_command(commands, "lfw", _lfw, "verification on LFW: accuracy by its protocol, TMR")
    add_data(lfw, "folder with pairs.txt and a folder for each person")
    add_presets(lfw, "embedder; may be given several times (default: mobilefacenet)")
    lfw.add_argument("--flip", action="store_true", help="average with the mirror image")
    lfw.add_argument(
        "--pairs",
        type=Path,
        metavar="FILE",
        help="other pairs than the folder's pairs.txt: like it, or lines of two photos "
        "<person>/<photo> and 1 (one person) or 0",
    )
    add_folds(lfw)
    add_svg(lfw, "ROC curve")


def _add_openset(commands: Commands) -> None:
    openset = add_command(
        commands, "openset", _openset, "identification on LFW with strangers: rank 1, FNIR at FPIR"
    )
    add_data(openset, "folder with a folder for each person")
    add_preset(openset)
    openset.add_argument("--flip", action="store_true", help="average with the mirror image")
    openset.add_argument(
        "--flip-enrolled", action="store_true", help="average only the enrolled, as in service"
    )
    add_folds(openset)
    add_svg(openset, "misses over strangers named")


def _add_wider(commands: Commands) -> None:
    wider = add_command(commands, "wider", _wider, "detection on WIDER FACE: average precision")
    add_data(wider, "folder with ground_truth.json and its photos")
    wider.set_defaults(min_face=20)
    add_svg(wider, "precision over recall")


def _add_calibrate(commands: Commands) -> None:
    calibrate = add_command(
        commands, "calibrate", _calibrate, "impostor score curves from all strangers in LFW"
    )
    add_data(calibrate, "folder of LFW, or the one that holds it as lfw/")
    calibrate.add_argument(
        "--source", metavar="TEXT", help="description of the photos (default: LFW)"
    )
    add_presets(calibrate, "embedder; may be given several times (default: all)")
    calibrate.add_argument(
        "--out", type=Path, default=_CURVES, metavar="DIR", help="folder for the curves"
    )
    add_svg(calibrate, "curves")


if __name__ == "__main__":
    sys.exit(main())
