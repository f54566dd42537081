"""`python -m ml_engine.evaluation COMMAND`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ml_engine.config import EngineConfig
from ml_engine.types import EngineError
from ml_engine.zoo import default_weights_dir, presets_of

if TYPE_CHECKING:
    from ml_engine.engine import FaceEngine

_CURVES = Path(__file__).resolve().parent.parent / "zoo" / "curves"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (EngineError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _calibrate(options: argparse.Namespace) -> None:
    from ml_engine.evaluation.calibrate import calibrate, write_curve

    for curve in calibrate(_engine(options), options.data, options.presets):
        path = write_curve(curve, options.out)
        print(f"{curve.model}: {curve.pairs:,} pairs of strangers, written to {path}")
        for rate, score in zip(curve.rates, curve.scores, strict=True):
            print(f"  {rate:8.0e}  {score:.4f}")


def _engine(options: argparse.Namespace) -> FaceEngine:
    from ml_engine import load_engine

    return load_engine(EngineConfig(weights_dir=options.weights))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ml_engine.evaluation", description="Measure the engine on known data."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--data", type=Path, required=True, help="folder of the data set")
    common.add_argument(
        "--weights", type=Path, default=default_weights_dir(), help="default: %(default)s"
    )
    names = [card.name for card in presets_of("embedder")]

    calibrate = commands.add_parser(
        "calibrate", parents=[common], help="impostor score curves from LFW"
    )
    calibrate.add_argument(
        "--preset", dest="presets", action="append", choices=names, help="default: every embedder"
    )
    calibrate.add_argument("--out", type=Path, default=_CURVES, help="folder of the curves")
    calibrate.set_defaults(run=_calibrate)
    return parser


if __name__ == "__main__":
    sys.exit(main())
