"""`python -m ml_engine.training FOLDER`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from ml_engine import recipe
from ml_engine.arguments import add_engine
from ml_engine.config import EngineConfig
from ml_engine.networks import design
from ml_engine.recipe import Settings
from ml_engine.types import EngineError

if TYPE_CHECKING:
    from ml_engine.training.checkpoint import Judged
    from ml_engine.training.data import Faces

_DESCRIPTION = """\
Train an embedding network on a folder with a folder for each person, or on a TFRecord file with the
features image/encoded and image/class/text. Some people are kept apart, and the best weights are
chosen by them. A run that was cut off goes on from its last checkpoint with the same command.
"""
_EXAMPLES = """\
examples:
  python -m ml_engine.training ../shared/data/orl_faces --whole --out var/training/orl
  python -m ml_engine.training FOLDER --out RUN --network resnet --size 96 --rgb --loss softmax
"""


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        _train(options)
    except (EngineError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command goes on from the last checkpoint", file=sys.stderr)
        return 130
    return 0


def _train(options: argparse.Namespace) -> None:
    from ml_engine.training.data import split
    from ml_engine.training.train import train

    chosen = _settings(options)
    known, others = split(_faces(options, chosen), options.others, seed=options.seed)
    if chosen.design.normalisation == "dataset":
        chosen = replace(chosen, design=chosen.design.measured(known.pictures))
    print(
        f"{len(known)} pictures of {len(known.names)} people; judged by {len(others)} of "
        f"{len(others.names)} others"
    )
    found = train(chosen, known, others, folder=options.out, told=_tell)
    print(f"best at step {found.position.best_step}: AUC {found.position.best_auc:.4f}")
    print(f"{found.file}: RGB pixels 0..255 of {chosen.design.size}x{chosen.design.size}")


def _tell(point: Judged, steps: int) -> None:
    print(
        f"step {point.step:5} of {steps}  loss {point.loss:7.4f}  other people: AUC "
        f"{point.auc:.4f}, balanced accuracy {point.accuracy:.4f}",
        flush=True,
    )


def _faces(options: argparse.Namespace, chosen: Settings) -> Faces:
    from ml_engine import load_engine
    from ml_engine.training.data import load_folder, read_records

    read = load_folder if options.data.is_dir() else read_records
    size, channels = chosen.design.size, chosen.design.channels
    if options.whole:
        return read(options.data, size=size, channels=channels)
    engine = load_engine(
        EngineConfig(
            weights_dir=options.weights,
            detector=options.detector,
            device=options.device,
            min_face_px=options.min_face,
        )
    )
    try:
        return read(options.data, size=size, channels=channels, engine=engine)
    finally:
        engine.close()


def _settings(options: argparse.Namespace) -> Settings:
    given = {name: value for name, value in vars(options).items() if value is not None}
    of_design = {f.name: given[f.name] for f in fields(design.Design) if f.name in given}
    names = [f.name for f in fields(Settings) if f.name != "design" and f.name in given]
    chosen = {name: given[name] for name in names}
    if "devices" in chosen:
        chosen["devices"] = tuple(chosen["devices"].split(","))
    return replace(Settings(**chosen), design=design.Design(**of_design))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ml_engine.training",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("data", type=Path, metavar="FOLDER", help="pictures, or a TFRecord file")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder of the run, kept for later"
    )
    parser.add_argument(
        "--whole", action="store_true", help="the pictures are faces already: look for none"
    )
    parser.add_argument(
        "--others", type=int, default=6, metavar="N", help="people kept apart (default: 6)"
    )
    _add_network(parser.add_argument_group("network"))
    _add_training(parser.add_argument_group("training"))
    add_engine(parser)
    return parser


def _add_network(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--network", choices=list(design.NETWORKS), help="(default: cnn)")
    group.add_argument("--size", type=int, metavar="PX", help="side of the input (default: 64)")
    group.add_argument(
        "--rgb", dest="channels", action="store_const", const=3, help="three channels, not grey"
    )
    group.add_argument("--dimension", type=int, metavar="N", help="of the vectors (default: 128)")
    group.add_argument("--width", type=float, metavar="F", help="factor for all filters")
    group.add_argument("--activation", choices=design.ACTIVATIONS)
    group.add_argument("--initialiser", choices=list(design.INITIALISERS))
    group.add_argument("--normalisation", choices=design.NORMALISATIONS)
    group.add_argument("--pooling", choices=design.POOLINGS)
    group.add_argument("--no-batch-norm", dest="batch_norm", action="store_const", const=False)
    group.add_argument("--dropout", type=float, metavar="SHARE", help="(default: 0.4)")
    group.add_argument("--l2", type=float, metavar="F", help="factor of the squared weights")
    group.add_argument("--kernel", type=int, metavar="PX", help="of the first convolution")
    group.add_argument("--stride", type=int, metavar="PX", help="of the first convolution")
    group.add_argument("--padding", choices=("same", "valid"), help="of the first convolution")


def _add_training(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--seed", type=int, default=0, metavar="N")
    group.add_argument("--people", type=int, metavar="P", help="in a batch (default: 16)")
    group.add_argument("--pictures", type=int, metavar="K", help="of each (default: 3)")
    group.add_argument("--epochs", type=int, metavar="N", help="at most (default: 80)")
    group.add_argument("--patience", type=int, metavar="N", help="epochs; 0: never stop early")
    group.add_argument("--loss", choices=get_args(recipe.Loss))
    group.add_argument("--margin", type=float, help="of arcface (0.2) and triplet")
    group.add_argument("--scale", type=float, help="of arcface (16)")
    group.add_argument("--optimiser", choices=get_args(recipe.Optimiser))
    group.add_argument("--rate", type=float, help="learning rate (default: the optimiser's)")
    group.add_argument("--schedule", choices=get_args(recipe.Schedule))
    group.add_argument("--augmentation", choices=get_args(recipe.Augmentation))
    group.add_argument("--precision", choices=get_args(recipe.Precision))
    group.add_argument(
        "--devices", metavar="NAMES", help="such as GPU:0,GPU:1: each takes a part of every batch"
    )
    group.add_argument("--save-every", type=int, metavar="STEPS", help="between checkpoints")


if __name__ == "__main__":
    sys.exit(main())
