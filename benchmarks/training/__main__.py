"""`python -m benchmarks.training orl|tables|adapt|heads`: the figures of docs/training.md."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.document import write_block
from benchmarks.machine import stamp
from benchmarks.peers import ROOT
from ml_engine.recipe import Settings
from ml_engine.zoo import default_weights_dir

_DATA = Path(os.environ.get("FACEREC_DATA", ROOT.parent / "shared" / "data"))
_DOCUMENT = ROOT / "docs" / "training.md"


def main(arguments: Sequence[str] | None = None) -> int:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Threads that wait for one another would count as seconds of work.
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
    options = _parser().parse_args(arguments)
    measured_on = stamp(f"python -m benchmarks.training {options.part}")
    text = f"{_PARTS[options.part](options)}\n\n{measured_on}"
    print(f"\n{text}")
    if not options.dry_run:
        write_block(options.part, text, _DOCUMENT)
    return 0


def _orl(options: argparse.Namespace) -> str:
    from benchmarks.training.orl import benchmark

    return benchmark(options.data / "orl_faces", options.splits, options.comparisons, Settings())


def _tables(options: argparse.Namespace) -> str:
    from benchmarks.training.tables import benchmark

    return benchmark(options.data / "orl_faces")


def _adapt(options: argparse.Namespace) -> str:
    from benchmarks.training.adaptation import benchmark

    return benchmark(options.data / "lfw", options.camera, options.weights, options.out)


def _heads(options: argparse.Namespace) -> str:
    from benchmarks.training.heads import benchmark

    return benchmark(options.data / "lfw", options.camera, options.weights)


_PARTS: dict[str, Callable[[argparse.Namespace], str]] = {
    "orl": _orl,
    "tables": _tables,
    "adapt": _adapt,
    "heads": _heads,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.training",
        description="Train and adapt on known data, and write the figures to docs/training.md.",
    )
    parser.add_argument("part", choices=list(_PARTS))
    parser.add_argument("--data", type=Path, default=_DATA, metavar="DIR")
    parser.add_argument("--weights", type=Path, default=default_weights_dir(), metavar="DIR")
    parser.add_argument(
        "--splits", type=int, nargs="+", default=[0, 1, 2], metavar="N", help="of ORL's people"
    )
    parser.add_argument(
        "--comparisons",
        type=int,
        nargs="*",
        default=[0],
        metavar="N",
        help="splits for the runs without augmentation and without dropout",
    )
    parser.add_argument(
        "--camera",
        type=Path,
        default=_DATA.parent / "tools" / "synthetic_camera.py",
        metavar="FILE",
        help="module with degrade(crop, seed) and split_people(people)",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("var/training/adapted.keras"), metavar="FILE"
    )
    parser.add_argument("--dry-run", action="store_true", help="do not write docs/training.md")
    return parser


if __name__ == "__main__":
    sys.exit(main())
