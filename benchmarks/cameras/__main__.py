"""`python -m benchmarks.cameras load|delay|soak`: measure network cameras in front of a whole site
and write a block of docs/benchmarks.md.

Needs GStreamer's RTSP server (`python3 -m tools.prepare test` installs it); `soak` also needs
MariaDB and Redis, and `delay` Chromium. Streams are made once, below `--out`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cameras import delay, load, soak
from benchmarks.cameras.rig import Options
from benchmarks.document import DOCUMENT, write_block
from benchmarks.machine import stamp
from benchmarks.peers import ROOT
from ml_engine.types import EngineError
from ml_engine.zoo import default_weights_dir


def main(arguments: Sequence[str] | None = None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(given)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    told = [word for word in given if word != "--dry-run"]
    measured_on = stamp(f"python -m benchmarks.cameras {' '.join(told)}")
    try:
        pictures = options.out if options.dry_run else DOCUMENT.parent / "images"
        folders = Options(options.data, options.weights, options.out, pictures)
        text = options.measure(folders, options)
    except (EngineError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"\n{text}\n\n{measured_on}\n")
    if not options.dry_run:
        write_block(f"cameras-{options.part}", f"{text}\n\n{measured_on}")
    return 0


def _load(options: Options, given: argparse.Namespace) -> str:
    return load.benchmark(
        options, cameras=given.cameras, quiet=given.quiet_room, seconds=given.seconds
    )


def _delay(options: Options, given: argparse.Namespace) -> str:
    return delay.benchmark(options, seconds=given.seconds, with_page=not given.no_page)


def _soak(options: Options, given: argparse.Namespace) -> str:
    return soak.benchmark(options, minutes=given.minutes, warm_up=given.warm_up)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cameras", description=(__doc__ or "").split("\n\n", 1)[1]
    )
    parts = parser.add_subparsers(dest="part", required=True)
    one = parts.add_parser("load", help="how many cameras, all with a face or most of them still")
    one.set_defaults(measure=_load)
    one.add_argument("--cameras", type=int, nargs="*", default=load.CAMERAS, metavar="N")
    one.add_argument("--quiet-room", type=int, nargs="*", default=load.QUIET, metavar="N")
    one.add_argument("--seconds", type=float, default=60.0)
    two = parts.add_parser("delay", help="from the clock of a sensor to a client")
    two.set_defaults(measure=_delay)
    two.add_argument("--seconds", type=float, default=60.0)
    two.add_argument("--no-page", action="store_true", help="without Chromium")
    three = parts.add_parser("soak", help="memory, threads, handles and connections over time")
    three.set_defaults(measure=_soak)
    three.add_argument("--minutes", type=float, default=45.0)
    three.add_argument("--warm-up", type=float, default=10.0)
    for part in (one, two, three):
        _add_common(part)
    return parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    data = Path(os.environ.get("FACEREC_DATA", ROOT.parent / "shared" / "data"))
    out = ROOT / "var" / "bench"
    parser.add_argument("--data", type=Path, default=data, metavar="DIR")
    parser.add_argument("--weights", type=Path, default=default_weights_dir(), metavar="DIR")
    parser.add_argument("--out", type=Path, default=out, metavar="DIR")
    parser.add_argument(
        "--dry-run", action="store_true", help=f"do not write {DOCUMENT.relative_to(ROOT)}"
    )


if __name__ == "__main__":
    sys.exit(main())
