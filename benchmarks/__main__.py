"""`python -m benchmarks [PART…]`: measure and write docs/benchmarks.md.

Run it on a machine that does nothing else. Peers are installed once, each into its own environment
below `var/peers`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import accuracy, detection, embedding, metrics, overload, rest, search, soak
from benchmarks.document import DOCUMENT, write_block
from benchmarks.machine import stamp
from benchmarks.peers import ROOT, PeerUnavailable
from ml_engine.types import EngineError
from ml_engine.zoo import default_weights_dir

PARTS: dict[str, Callable[[Path, Path, int], str]] = {
    "detection": detection.benchmark,
    "embedding": embedding.benchmark,
    "accuracy": accuracy.benchmark,
    "search": search.benchmark,
    "rest": rest.benchmark,
    "metrics": metrics.benchmark,
    "overload": overload.benchmark,
    "soak": soak.benchmark,
}
_ROUNDS = 15
_DATA = ROOT.parent / "shared" / "data"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for part in options.parts or PARTS:
        rounds = "" if options.rounds == _ROUNDS else f" --rounds {options.rounds}"
        measured_on = stamp(f"python -m benchmarks {part}{rounds}")
        try:
            text = PARTS[part](options.weights, options.data, options.rounds)
        except (EngineError, PeerUnavailable, OSError) as error:
            print(f"error: {part}: {error}", file=sys.stderr)
            return 1
        print(f"\n{text}\n\n{measured_on}\n")
        if not options.dry_run:
            write_block(part, f"{text}\n\n{measured_on}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=(__doc__ or "").split("\n\n", 1)[1]
    )
    parser.add_argument("parts", nargs="*", metavar="PART", type=_part, help=", ".join(PARTS))
    parser.add_argument("--weights", type=Path, default=default_weights_dir(), metavar="DIR")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("FACEREC_DATA", _DATA)),
        metavar="DIR",
        help="evaluation photos; without them the samples are used and there is no AP",
    )
    parser.add_argument("--rounds", type=int, default=_ROUNDS, metavar="N")
    parser.add_argument(
        "--dry-run", action="store_true", help=f"do not write {DOCUMENT.relative_to(ROOT)}"
    )
    return parser


def _part(name: str) -> str:
    if name not in PARTS:
        raise argparse.ArgumentTypeError(f"there is no {name!r}; there are {', '.join(PARTS)}")
    return name


if __name__ == "__main__":
    sys.exit(main())
