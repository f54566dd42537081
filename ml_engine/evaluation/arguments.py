"""What the commands are given: options that several of them share, beside `ml_engine.arguments`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ml_engine.arguments import add_engine
from ml_engine.zoo import presets_of

if TYPE_CHECKING:
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


def add_png(command: argparse.ArgumentParser, about: str) -> None:
    command.add_argument("--png", type=Path, metavar="FILE", help=f"draw the {about} there")
