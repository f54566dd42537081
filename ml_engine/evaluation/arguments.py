"""Options, engine and output of commands that measure; beside `ml_engine.arguments`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ml_engine.arguments import add_engine
from ml_engine.config import EngineConfig
from ml_engine.evaluation.report import Report, write_json
from ml_engine.types import EngineError
from ml_engine.zoo import presets_of

if TYPE_CHECKING:
    from ml_engine.engine import FaceEngine

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_command(
    commands: Commands,
    name: str,
    run: Callable[[argparse.Namespace], int | None],
    about: str,
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.")
    add_engine(command)
    command.add_argument("--json", type=Path, metavar="FILE", help="write the report there, too")
    command.set_defaults(run=run)
    return command


def add_data(command: argparse.ArgumentParser, about: str) -> None:
    command.add_argument("--data", type=Path, required=True, metavar="DIR", help=about)


def add_presets(command: argparse.ArgumentParser, about: str) -> None:
    command.add_argument(
        "--preset",
        dest="presets",
        action="append",
        choices=[card.name for card in presets_of("embedder")],
        help=about,
    )


def add_folds(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--folds",
        type=numbers,
        metavar="N,N",
        help="only the people in these folds of pairs.txt, such as 4,5 (default: all)",
    )


def numbers(text: str) -> list[int]:
    try:
        return sorted({int(number) for number in text.split(",")})
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not like 4,5") from error


def positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 1 or more")
    return int(text)


def add_svg(command: argparse.ArgumentParser, about: str) -> None:
    command.add_argument("--svg", type=Path, metavar="FILE", help=f"draw the {about} there")


def build_engine(options: argparse.Namespace) -> FaceEngine:
    """The engine that the options of `add_engine` ask for."""
    from ml_engine import load_engine

    config = EngineConfig(
        weights_dir=options.weights,
        detector=options.detector,
        device=options.device,
        min_face_px=options.min_face,
    )
    return load_engine(config)


def deliver(
    options: argparse.Namespace,
    reports: Sequence[Report],
    draw: Callable[[Path], None] | None = None,
) -> None:
    """Print the reports; write them as JSON and as a chart if the options ask for it."""
    print("\n\n".join(report.as_text() for report in reports))
    if options.json:
        write_json(reports, options.json)
    if draw and options.svg:
        draw(options.svg)


def run_command(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> int:
    """Run the chosen command; its exit status. Known errors become one line on stderr."""
    options = parser.parse_args(arguments)
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
