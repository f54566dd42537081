"""`python -m ml_engine.evaluation COMMAND`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ml_engine.arguments import add_preset
from ml_engine.config import EngineConfig
from ml_engine.evaluation.arguments import (
    add_command,
    add_data,
    add_folds,
    add_png,
    add_presets,
    positive,
)
from ml_engine.evaluation.report import Report, write_json
from ml_engine.types import EngineError
from ml_engine.zoo import presets_of

if TYPE_CHECKING:
    from ml_engine.engine import FaceEngine
    from ml_engine.evaluation.arguments import Commands

_CURVES = Path(__file__).resolve().parent.parent / "zoo" / "curves"
_DESCRIPTION = """\
Measure the engine on known data. Every command shows its progress, prints a report, and writes it
as JSON and as a picture where asked to.
"""
_EXAMPLES = """\
examples:
  python -m ml_engine.evaluation lfw --data ../shared/data/lfw --flip --json lfw.json --png roc.png
  python -m ml_engine.evaluation lfw --data ../shared/data/lfw --folds 4,5
  python -m ml_engine.evaluation lfw --data FOLDER --pairs pairs.txt
  python -m ml_engine.evaluation openset --data ../shared/data/lfw --preset dlib_resnet
  python -m ml_engine.evaluation wider --data ../shared/data/wider --min-face 20
  python -m ml_engine.evaluation celebs --data ../shared/data/celebs5 --strangers ../shared/data/lfw
  python -m ml_engine.evaluation throughput
  python -m ml_engine.evaluation soak --frames 20000 --png soak.png
"""


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    # TensorFlow and LiteRT otherwise write across the progress bar.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        return options.run(options) or 0
    except (EngineError, OSError, KeyError) as error:
        # The text of a KeyError is in quotation marks.
        print(f"error: {error.args[0] if isinstance(error, KeyError) else error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _lfw(options: argparse.Namespace) -> None:
    from ml_engine.evaluation.plots import draw_roc
    from ml_engine.evaluation.verification import evaluate_lfw

    engine = _engine(options)
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
    _deliver(options, reports, lambda path: draw_roc(reports, path))


def _openset(options: argparse.Namespace) -> None:
    from ml_engine.evaluation.openset import evaluate_openset
    from ml_engine.evaluation.plots import draw_openset

    report = evaluate_openset(
        _engine(options),
        options.data,
        options.preset,
        flip=options.flip,
        flip_enrolled=options.flip_enrolled,
        folds=options.folds,
    )
    _deliver(options, [report], lambda path: draw_openset(report, path))


def _halves(options: argparse.Namespace) -> None:
    from ml_engine.evaluation.halves import evaluate_halves
    from ml_engine.evaluation.plots import draw_halves

    report = evaluate_halves(
        _engine(options), options.data, options.preset, flip=options.flip, folds=options.folds
    )
    _deliver(options, [report], lambda path: draw_halves(report, path))


def _recalibration(options: argparse.Namespace) -> None:
    from ml_engine.evaluation.recalibration import evaluate_recalibration

    _deliver(options, [evaluate_recalibration(_engine(options), options.data, options.preset)])


def _wider(options: argparse.Namespace) -> None:
    from tqdm import tqdm

    from ml_engine.detection import load_detector
    from ml_engine.evaluation.detection import evaluate_wider, load_wider
    from ml_engine.evaluation.plots import draw_precision
    from ml_engine.runtime.device import resolve_device
    from ml_engine.runtime.threads import set_threads

    device = resolve_device(options.device)
    set_threads(device.threads)
    detector = load_detector(options.detector, options.weights, device)
    photos = tqdm(load_wider(options.data), "WIDER FACE", unit="photo")
    report = evaluate_wider(detector, photos, min_face_px=options.min_face)
    _deliver(options, [report], lambda path: draw_precision(report, path))


def _celebs(options: argparse.Namespace) -> None:
    from ml_engine.evaluation.celebs import evaluate_celebs

    report = evaluate_celebs(
        _engine(options), options.data, options.preset, strangers=options.strangers
    )
    _deliver(options, [report])


def _quality(options: argparse.Namespace) -> None:
    from ml_engine.evaluation.discard import evaluate_quality
    from ml_engine.evaluation.plots import draw_discard

    report = evaluate_quality(_engine(options), options.data, options.preset)
    _deliver(options, [report], lambda path: draw_discard(report, path))


def _throughput(options: argparse.Namespace) -> None:
    from ml_engine.evaluation.plots import draw_throughput
    from ml_engine.evaluation.throughput import evaluate_throughput

    report = evaluate_throughput(
        _engine(options), size=tuple(options.size), repeats=options.repeats
    )
    _deliver(options, [report], lambda path: draw_throughput(report, path))


def _search(options: argparse.Namespace) -> None:
    from ml_engine.evaluation.searching import evaluate_search

    engine = _engine(options)
    presets = options.presets or [engine.config.embedder]
    _deliver(options, evaluate_search(engine, options.data, presets, size=options.size))


def _soak(options: argparse.Namespace) -> int:
    """1 where something grew."""
    from ml_engine.evaluation.plots import draw_soak
    from ml_engine.evaluation.soak import evaluate_soak

    report = evaluate_soak(_engine(options), frames=options.frames, data=options.data)
    _deliver(options, [report], lambda path: draw_soak(report, path))
    return 0 if report.is_steady else 1


def _calibrate(options: argparse.Namespace) -> None:
    from ml_engine.evaluation.calibrate import LFW, CurveReport, calibrate, write_curve
    from ml_engine.evaluation.plots import draw_curves

    presets = options.presets or [card.name for card in presets_of("embedder")]
    curves = calibrate(_engine(options), options.data, presets, source=options.source or LFW)
    reports = [CurveReport(curve, write_curve(curve, options.out)) for curve in curves]
    _deliver(options, reports, lambda path: draw_curves(curves, path))


def _deliver(
    options: argparse.Namespace,
    reports: Sequence[Report],
    draw: Callable[[Path], None] | None = None,
) -> None:
    print("\n\n".join(report.as_text() for report in reports))
    if options.json:
        write_json(reports, options.json)
    if draw and options.png:
        draw(options.png)


def _engine(options: argparse.Namespace) -> FaceEngine:
    from ml_engine import load_engine

    config = EngineConfig(
        weights_dir=options.weights, device=options.device, min_face_px=options.min_face
    )
    return load_engine(config)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ml_engine.evaluation",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    _add_recognition(commands)
    _add_others(commands)
    return parser


def _add_recognition(commands: Commands) -> None:
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
    add_png(lfw, "ROC curve")

    halves = add_command(
        commands, "halves", _halves, "whether a threshold set on half of LFW holds for the other"
    )
    add_data(halves, "folder with a folder for each person")
    add_preset(halves)
    halves.add_argument("--flip", action="store_true", help="average with the mirror image")
    add_folds(halves)
    add_png(halves, "strangers named in each half")

    recalibration = add_command(
        commands,
        "recalibration",
        _recalibration,
        "whether a collection measured on its own people names strangers as rarely as is asked for",
    )
    add_data(recalibration, "folder with pairs.txt and a folder for each person")
    add_preset(recalibration)

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
    add_png(openset, "misses over strangers named")

    celebs = add_command(
        commands, "celebs", _celebs, "enrol a folder of people, identify another; name no strangers"
    )
    add_data(celebs, "folder with train/<person>/ and val/<person>/")
    add_preset(celebs)
    celebs.add_argument("--strangers", type=Path, help="LFW, whose people are not enrolled")

    quality = add_command(
        commands, "quality", _quality, "does quality predict errors: error versus discard on LFW"
    )
    add_data(quality, "folder with a folder for each person")
    add_preset(quality)
    add_png(quality, "error-versus-discard curve")

    calibrate = add_command(
        commands, "calibrate", _calibrate, "impostor score curves from all strangers in LFW"
    )
    add_data(calibrate, "folder of LFW, or the one that holds it as lfw/")
    calibrate.add_argument(
        "--source", metavar="TEXT", help="what the photos are, for people (default: LFW)"
    )
    add_presets(calibrate, "embedder; may be given several times (default: all)")
    calibrate.add_argument(
        "--out", type=Path, default=_CURVES, metavar="DIR", help="where curves are kept"
    )
    add_png(calibrate, "curves")


def _add_others(commands: Commands) -> None:
    wider = add_command(commands, "wider", _wider, "detection on WIDER FACE: average precision")
    add_data(wider, "folder with ground_truth.json and its photos")
    wider.add_argument(
        "--detector", default="mtcnn", choices=[card.name for card in presets_of("detector")]
    )
    wider.set_defaults(min_face=20)
    add_png(wider, "precision over recall")

    throughput = add_command(
        commands, "throughput", _throughput, "milliseconds by stage and batch size"
    )
    throughput.add_argument(
        "--size", type=positive, nargs=2, default=(640, 480), metavar=("WIDTH", "HEIGHT")
    )
    throughput.add_argument(
        "--repeats", type=positive, default=30, metavar="N", help="calls of each"
    )
    add_png(throughput, "items a second over the size of a batch")

    search = add_command(
        commands, "search", _search, "quick search against an exact one, with faces it never saw"
    )
    add_data(search, "folder with lfw/, and wider/ and celebs5/ where they are there")
    add_presets(search, "embedder; may be given several times (default: mobilefacenet)")
    search.add_argument(
        "--size",
        type=positive,
        default=100_000,
        metavar="N",
        help="templates (default: %(default)s)",
    )
    search.set_defaults(min_face=20)

    soak = add_command(
        commands, "soak", _soak, "endurance: memory, threads and handles over many frames"
    )
    soak.add_argument("--frames", type=positive, default=20_000, metavar="N")
    soak.add_argument("--data", type=Path, metavar="DIR", help="photos whose faces are used, too")
    add_png(soak, "memory over frames")


if __name__ == "__main__":
    sys.exit(main())
