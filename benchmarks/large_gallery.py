"""`python -m benchmarks.large_gallery`: a gallery of millions that all processes map.

    python -m benchmarks.large_gallery [--templates 10000000] [--folder DIR]

Writes a snapshot of made-up people (five templates each, like those of `benchmarks.search`) without
a database behind it: 0.9 kB of disk a template. Then, in new processes: from the start to the first
answer, memory, one query and 16 at once. `--compare` builds an index in memory from the same
vectors, which takes turns with the mapped one, and checks the first places against an exact search.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from benchmarks.own_site import set_up
from benchmarks.search import DIMENSION, People, memory_mb
from ml_engine.matching import VectorIndex
from ml_engine.matching.rows import BLOCK_ROWS
from ml_engine.matching.stored_index import StoredIndex
from ml_engine.types import Float32
from ml_engine.zoo import default_weights_dir

if TYPE_CHECKING:
    from recognition.people.index.snapshot_files import TemplateBlock

_IMAGES_EACH = 5
_QUERIES = 50
_AT_ONCE = 16
_CHECKED = 20
_K = 5


def main() -> None:
    options = _parser().parse_args()
    if options.child:
        _serve(options)
        return
    with tempfile.TemporaryDirectory(prefix="facerec-large-") as name:
        options.folder = options.folder or Path(name)
        _set_up(options)
        _write(options.templates)
        first = _start(options)
        second = _start(options)
        for child in (first, second):
            child.communicate("\n")
        if options.compare:
            _compare(options.folder)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large_gallery")
    parser.add_argument("--templates", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, help="keeps the snapshot for another run")
    parser.add_argument("--weights", type=Path, default=default_weights_dir())
    parser.add_argument("--compare", action="store_true")
    parser.add_argument("--child", type=float, help=argparse.SUPPRESS)
    return parser


def _set_up(options: argparse.Namespace) -> None:
    set_up(options.folder, options.weights, GALLERY_SNAPSHOT_FROM="1", LOG_LEVEL="WARNING")


def _write(templates: int) -> None:
    """The snapshot and its row, unless an earlier run wrote them."""
    from accounts.audit import SYSTEM
    from recognition.people.index.snapshot_folder import files_of, made_mark
    from recognition.people.model_versions import ensure_model_version
    from recognition.people.models import Collection, GallerySnapshot
    from recognition.people.services.collections import collection_create

    if GallerySnapshot.objects.exclude(name="").exists():
        return
    embedder = ensure_model_version("mobilefacenet")
    collection = collection_create(
        actor=SYSTEM, name="Large", embedder=embedder, search_kind=Collection.SearchKind.BYTES
    )
    name = f"{collection.pk.hex}-{embedder.pk}-0-bench-{DIMENSION}"
    mark, files = made_mark(), files_of(name)
    files.make()
    started = time.monotonic()
    for _ in files.write(_blocks(templates), _names):
        pass
    digest = files.finish(collection.pk, embedder.version, 0)
    GallerySnapshot.objects.create(
        collection=collection, model=embedder, folder=mark, name=name, digest=digest,
        templates=templates, revision=0, overwritten_revision=0,
    )  # fmt: skip
    print(f"{templates} templates written in {time.monotonic() - started:.0f} s", flush=True)


def _blocks(templates: int) -> Iterator[TemplateBlock]:
    from recognition.people.index.snapshot_files import TemplateBlock

    waiting: list[tuple[NDArray[np.int64], Float32]] = []
    for ids, vectors in People(is_flat=False).chunks(templates):
        waiting.append((ids, vectors))
        rows = sum(len(each) for each, _ in waiting)
        if rows >= BLOCK_ROWS or ids[-1] == templates - 1:
            numbers = np.concatenate([each for each, _ in waiting])
            block = np.concatenate([each for _, each in waiting])
            yield TemplateBlock(numbers, _ids(numbers), _ids(numbers // _IMAGES_EACH), block)
            waiting = []


def _ids(numbers: NDArray[np.int64]) -> NDArray[np.uint8]:
    words = np.full((len(numbers), 2), 1 << 40, ">u8")
    words[:, 1] = numbers
    return words.view(np.uint8)


def _names(people: list[UUID]) -> dict[UUID, tuple[str, str | None, tuple[str, ...]]]:
    return {person: (f"Person {person.int & 0xFFFFFFFF}", None, ()) for person in people}


def _start(options: argparse.Namespace) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.large_gallery", "--child", str(time.time()),
               "--folder", str(options.folder), "--weights", str(options.weights)]  # fmt: skip
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    print(child.stdout.readline().strip(), flush=True)
    return child


def _serve(options: argparse.Namespace) -> None:
    """In a child: print the figures, and wait for a line."""
    _set_up(options)
    from recognition.people.index import gallery_of
    from recognition.people.models import Collection

    queries = People(is_flat=False).queries(_QUERIES)
    gallery = gallery_of(Collection.objects.select_related("embedder").get())
    name = gallery.name_of(gallery.search(queries[:1])[0][0].person)  # type: ignore[arg-type]
    started_s = time.time() - options.child
    people, templates = gallery.size
    one = [_ms(partial(gallery.search, query[None])) for query in queries]
    many = [_ms(lambda: gallery.search(queries[:_AT_ONCE])) for _ in range(3)]
    anonymous, mapped = memory_mb()
    figures = {
        "people": people, "templates": templates, "first answer": name,
        "seconds from start to it": round(started_s, 1),
        "anonymous MB": round(anonymous), "mapped MB": round(mapped),
        "one query ms, p50": round(float(np.median(one)), 1), "best": round(min(one), 1),
        f"{_AT_ONCE} at once ms": round(min(many), 1),
        "of as many single ones": round(min(many) / (_AT_ONCE * float(np.median(one))), 2),
        "snapshots on the disk": len(list((options.folder / "snapshots").glob("*-*"))),
    }  # fmt: skip
    print(json.dumps(figures), flush=True)
    sys.stdin.readline()


def _ms(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return 1000 * (time.perf_counter() - started)


def _compare(folder: Path) -> None:
    stored = StoredIndex(next((folder / "snapshots").glob("*-*")), DIMENSION)
    mapped = stored.open("made up", folder)
    memory = VectorIndex(DIMENSION, "made up", kind="int8", directory=folder)
    count = len(stored.ids)
    for first in range(0, count, BLOCK_ROWS):
        ids = stored.ids.read(first, BLOCK_ROWS)
        memory.add(*mapped.vectors(ids), model="made up")
    memory.optimise()
    queries = People(is_flat=False).queries(_QUERIES)
    times: dict[str, list[float]] = {"mapped": [], "memory": []}
    indexes = {"mapped": mapped, "memory": memory}
    for index in indexes.values():
        index.search(queries, _K, model="made up")
    for query in queries:
        for name, index in indexes.items():
            times[name].append(_ms(partial(index.search, query[None], _K, model="made up")))
    p50 = {name: float(np.median(each)) for name, each in times.items()}
    first_places = _exact(mapped, count, queries[:_CHECKED])
    found = mapped.search(queries[:_CHECKED], 1, model="made up")[1][:, 0]
    print(json.dumps({
        "mapped ms, p50": round(p50["mapped"], 1), "in memory ms, p50": round(p50["memory"], 1),
        "ratio": round(p50["mapped"] / p50["memory"], 2),
        "ratio of the best": round(min(times["mapped"]) / min(times["memory"]), 2),
        "right first places": float((found == first_places).mean()),
    }), flush=True)  # fmt: skip


def _exact(index: VectorIndex, count: int, queries: Float32) -> NDArray[np.int64]:
    best, ids = np.full(len(queries), -np.inf), np.full(len(queries), -1)
    for first in range(0, count, BLOCK_ROWS):
        known, vectors = index.vectors(np.arange(first, min(count, first + BLOCK_ROWS)))
        scores = queries @ vectors.T
        columns = scores.argmax(axis=1)
        largest = scores[np.arange(len(queries)), columns]
        ids = np.where(largest > best, known[columns], ids)
        best = np.maximum(best, largest)
    return ids


if __name__ == "__main__":
    main()
