"""`python -m benchmarks.loading`: how fast a gallery comes into memory.

    python -m benchmarks.loading [--templates 300000] [--database-url mysql://…]

Fills an empty database with people who have one random template each (once for each `--folder`),
then loads the gallery in new processes: from the database without a snapshot, from the database
while a snapshot is written, from the snapshot, and from the snapshot beside a process that has it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.own_site import set_up
from benchmarks.search import memory_mb
from ml_engine.zoo import default_weights_dir

_AT_ONCE = 10_000
_WAYS = {"database": 0, "writing a snapshot": 1, "snapshot": 1, "snapshot, a second process": 1}


def main() -> None:
    options = _parser().parse_args()
    if options.child:
        _load(options)
        return
    with tempfile.TemporaryDirectory(prefix="facerec-loading-") as name:
        options.folder = options.folder or Path(name)
        _set_up(options, 0)
        _fill(options.templates)
        beside: subprocess.Popen[str] | None = None
        for way, least in _WAYS.items():
            child = _start(options, least)
            assert child.stdout is not None
            print(f"{way}: {child.stdout.readline().strip()}", flush=True)
            if beside is not None:
                beside.communicate("\n")
            beside = child
        if beside is not None:
            beside.communicate("\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loading")
    parser.add_argument("--templates", type=int, default=300_000)
    parser.add_argument("--database-url", default="", help="an empty database; default: SQLite")
    parser.add_argument("--folder", type=Path, help="keeps SQLite's database for another run")
    parser.add_argument("--weights", type=Path, default=default_weights_dir())
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    return parser


def _start(options: argparse.Namespace, least: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.loading", "--child", str(least + 1),
               "--folder", str(options.folder), "--weights", str(options.weights),
               "--database-url", options.database_url]  # fmt: skip
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _set_up(options: argparse.Namespace, least: int) -> None:
    set_up(
        options.folder,
        options.weights,
        DATABASE_URL=options.database_url,
        GALLERY_SNAPSHOT_FROM=str(least),
    )


def _fill(templates: int) -> None:
    """Fill the gallery, unless an earlier run did."""
    from accounts.audit import SYSTEM
    from benchmarks.rest_site import add_strangers
    from recognition.people.model_versions import ensure_model_version
    from recognition.people.models import Collection
    from recognition.people.services.collections import collection_create

    if Collection.objects.exists():
        return
    embedder = ensure_model_version("mobilefacenet")
    collection = collection_create(actor=SYSTEM, name="Large", embedder=embedder)
    for first in range(0, templates, _AT_ONCE):
        add_strangers(collection, min(_AT_ONCE, templates - first), first=first)


def _load(options: argparse.Namespace) -> None:
    """In a child: print the figures, and wait for a line."""
    _set_up(options, options.child - 1)
    import numpy as np

    from recognition.people.index import gallery_of
    from recognition.people.models import Collection

    before = memory_mb()
    started, cpu_s = time.monotonic(), time.process_time()
    row = Collection.objects.select_related("embedder").get()
    gallery = gallery_of(row)
    people, templates = gallery.size
    gallery.search(np.ones((1, row.embedder.dimension or 1), np.float32))
    took_s = time.monotonic() - started
    anonymous, mapped = (now - then for now, then in zip(memory_mb(), before, strict=True))
    figures = {"people": people, "templates": templates, "seconds": round(took_s, 1),
               "templates a second": round(templates / took_s),
               "its CPU seconds": round(time.process_time() - cpu_s, 1),
               "anonymous MB": round(anonymous),
               "mapped MB": round(mapped), "files": _files(options.folder)}  # fmt: skip
    print(json.dumps(figures), flush=True)
    sys.stdin.readline()


def _files(folder: Path) -> int:
    """Snapshots on the disk."""
    return len(list((folder / "snapshots").glob("*-*")))


if __name__ == "__main__":
    main()
