"""`python -m benchmarks.laboratory COMMAND`."""

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
    positive,
    run_command,
)
from ml_engine.zoo import presets_of

if TYPE_CHECKING:
    from ml_engine.evaluation.arguments import Commands

_DESCRIPTION = """\
Experiments behind figures of docs/models.md and docs/benchmarks.md. Every command shows its
progress, prints a report, and on request writes it as JSON and, if it has one, as a chart.
"""
_EXAMPLES = """\
examples:
  python -m benchmarks.laboratory halves --data ../shared/data/lfw --folds 4,5
  python -m benchmarks.laboratory celebs --data ../shared/data/celebs5
  python -m benchmarks.laboratory throughput
  python -m benchmarks.laboratory soak --frames 20000 --svg soak.svg
"""


def main(arguments: Sequence[str] | None = None) -> int:
    return run_command(_parser(), arguments)


def _halves(options: argparse.Namespace) -> None:
    from benchmarks.laboratory.halves import evaluate_halves

    report = evaluate_halves(
        build_engine(options), options.data, options.preset, flip=options.flip, folds=options.folds
    )
    deliver(options, [report])


def _recalibration(options: argparse.Namespace) -> None:
    from benchmarks.laboratory.recalibration import evaluate_recalibration

    report = evaluate_recalibration(build_engine(options), options.data, options.preset)
    deliver(options, [report])


def _kinds(options: argparse.Namespace) -> int:
    """Returns 1 if the promise is broken in a kind of picture."""
    from benchmarks.laboratory.kinds import evaluate_kinds

    engine = build_engine(options)
    reports = evaluate_kinds(
        engine,
        options.data,
        options.presets or [engine.config.embedder],
        enrolled=options.enrolled,
        strangers=options.strangers,
    )
    deliver(options, reports)
    return 1 if any(report.broken for report in reports) else 0


def _normalisation(options: argparse.Namespace) -> None:
    from benchmarks.laboratory.normalisation import evaluate_normalisation

    presets = options.presets or [card.name for card in presets_of("embedder")]
    deliver(options, evaluate_normalisation(build_engine(options), options.data, presets))


def _celebs(options: argparse.Namespace) -> None:
    from benchmarks.laboratory.celebs import evaluate_celebs

    report = evaluate_celebs(
        build_engine(options), options.data, options.preset, strangers=options.strangers
    )
    deliver(options, [report])


def _quality(options: argparse.Namespace) -> None:
    from benchmarks.laboratory.charts import draw_discard
    from benchmarks.laboratory.discard import evaluate_quality

    report = evaluate_quality(build_engine(options), options.data, options.preset)
    deliver(options, [report], lambda path: draw_discard(report, path))


def _covers(options: argparse.Namespace) -> None:
    """Writes the file of `ml_engine.covers`."""
    from benchmarks.laboratory.covers import fit_covers, write_covers

    stored = fit_covers(build_engine(options), options.data)
    write_covers(stored, options.out)
    for part, figures in stored.items():
        print(f"{part}: {figures['told']:.1%} told, 1 % of faces in full view")


def _throughput(options: argparse.Namespace) -> None:
    from benchmarks.laboratory.throughput import evaluate_throughput

    width, height = options.size
    report = evaluate_throughput(
        build_engine(options), size=(width, height), repeats=options.repeats
    )
    deliver(options, [report])


def _search(options: argparse.Namespace) -> None:
    from benchmarks.laboratory.searching import evaluate_search

    engine = build_engine(options)
    presets = options.presets or [engine.config.embedder]
    deliver(options, evaluate_search(engine, options.data, presets, size=options.size))


def _soak(options: argparse.Namespace) -> int:
    """Returns 1 if something grew."""
    from benchmarks.laboratory.charts import draw_soak
    from benchmarks.laboratory.soak import evaluate_soak

    report = evaluate_soak(build_engine(options), frames=options.frames, data=options.data)
    deliver(options, [report], lambda path: draw_soak(report, path))
    return 0 if report.is_steady else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.laboratory",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    _add_thresholds(commands)
    _add_faces(commands)
    _add_running(commands)
    return parser


def _add_thresholds(commands: Commands) -> None:
    halves = add_command(
        commands, "halves", _halves, "whether a threshold set on half of LFW holds for the other"
    )
    add_data(halves, "folder with a folder for each person")
    add_preset(halves)
    halves.add_argument("--flip", action="store_true", help="average with the mirror image")
    add_folds(halves)

    kinds = add_command(
        commands, "kinds", _kinds, "strangers named in every kind of poor picture, by LFW's people"
    )
    add_data(kinds, "folder with a folder for each person")
    add_presets(kinds, "embedder; may be given several times (default: mobilefacenet)")
    kinds.add_argument("--enrolled", type=positive, default=300, metavar="N", help="people")
    kinds.add_argument("--strangers", type=positive, default=1200, metavar="N", help="people")

    recalibration = add_command(
        commands,
        "recalibration",
        _recalibration,
        "whether a collection measured on its own people names strangers as rarely as is asked for",
    )
    add_data(recalibration, "folder with pairs.txt and a folder for each person")
    add_preset(recalibration)

    normalisation = add_command(
        commands, "normalisation", _normalisation, "misses and default thresholds with a crowd"
    )
    add_data(normalisation, "folder with pairs.txt and a folder for each person")
    add_presets(normalisation, "embedder; may be given several times (default: all)")


def _add_faces(commands: Commands) -> None:
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
    add_svg(quality, "error-versus-discard curve")

    covers = add_command(commands, "covers", _covers, "fit what tells covered eyes and mouths")
    add_data(covers, "folder with a folder for each person")
    covers.add_argument("--out", type=Path, default=Path("ml_engine/covers.json"), metavar="FILE")

    search = add_command(
        commands, "search", _search, "quick search against an exact one, with faces it never saw"
    )
    add_data(search, "folder with lfw/, and optionally wider/ and celebs5/")
    add_presets(search, "embedder; may be given several times (default: mobilefacenet)")
    search.add_argument(
        "--size",
        type=positive,
        default=100_000,
        metavar="N",
        help="templates (default: %(default)s)",
    )
    search.set_defaults(min_face=20)


def _add_running(commands: Commands) -> None:
    throughput = add_command(
        commands, "throughput", _throughput, "milliseconds by stage and batch size"
    )
    throughput.add_argument(
        "--size", type=positive, nargs=2, default=(640, 480), metavar=("WIDTH", "HEIGHT")
    )
    throughput.add_argument(
        "--repeats", type=positive, default=30, metavar="N", help="calls of each"
    )

    soak = add_command(
        commands, "soak", _soak, "endurance: memory, threads and handles over many frames"
    )
    soak.add_argument("--frames", type=positive, default=20_000, metavar="N")
    soak.add_argument("--data", type=Path, metavar="DIR", help="photos whose faces are used, too")
    add_svg(soak, "memory over frames")


if __name__ == "__main__":
    sys.exit(main())
