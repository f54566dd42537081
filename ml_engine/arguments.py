"""Options that the command lines of the library share."""

from __future__ import annotations

import argparse
from pathlib import Path

from ml_engine.config import EngineConfig
from ml_engine.zoo import default_weights_dir, presets_of


def add_engine(command: argparse.ArgumentParser) -> None:
    """`--weights`, `--detector`, `--device` and `--min-face`: the config of an engine."""
    add_weights(command)
    command.add_argument(
        "--detector",
        default=EngineConfig().detector,
        choices=[card.name for card in presets_of("detector")],
        help="detector of faces (default: %(default)s)",
    )
    command.add_argument("--device", default="auto", choices=("auto", "cpu", "gpu"))
    command.add_argument(
        "--min-face",
        type=int,
        default=EngineConfig().min_face_px,
        metavar="PX",
        help="smallest face looked for (default: %(default)s)",
    )


def add_weights(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--weights",
        type=Path,
        default=default_weights_dir(),
        metavar="DIR",
        help="folder of the weights (default: %(default)s)",
    )


def add_preset(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--preset",
        default=EngineConfig().embedder,
        choices=[card.name for card in presets_of("embedder")],
        help="embedder (default: %(default)s)",
    )
