"""Search in a gallery: each kind of index against FAISS's flat index, in one run.

    python -m benchmarks search
    python -m benchmarks.search [--sizes 100000 1000000] [--kinds int8] [--spectrum flat]

Templates are random, with the spectrum of MobileFaceNet's embeddings (all but a ten-thousandth of
their variance is in 58 of 192 dimensions). `--spectrum flat` spreads the variance evenly over all
dimensions, which no network does and which is the hardest case for approximate search. Half of the
queries are other pictures of enrolled people (cosine about 0.7), half are strangers. The kinds take
turns after each query, so that other load on the machine slows all of them equally.
"""

from __future__ import annotations

import argparse
import gc
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
from tqdm import tqdm

from benchmarks.document import table
from ml_engine.matching import VectorIndex
from ml_engine.matching.index import Kind
from ml_engine.runtime.threads import cpu_threads
from ml_engine.types import Float32

DIMENSION = 192
K = 5
SIZES = (100_000, 1_000_000)
OUT = Path("var/bench")
FLAT, FLAT_ALONE = "faiss flat", "faiss flat, one thread"
_MODEL = "made up"
_CHUNK = 8192
_BATCH = 64
_CHANGES = 300
_EFFECTIVE_DIMENSIONS = 58
_LOOK_NOISE = 1.0  # relative to the length of a vector: gives a cosine of about 0.7

Search = Callable[[Float32, int], tuple[Float32, np.ndarray]]


@dataclass
class Measured:
    """One kind at one size. Times in milliseconds, memory in MB."""

    kind: str
    templates: int
    build_s: float = 0.0
    anonymous_mb: float = 0.0
    mapped_mb: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    least_ms: float = 0.0
    batch_ms: float = 0.0
    against_flat: float = 0.0
    top1: float = 0.0
    recall5: float = 0.0
    enrolled_found: float = 0.0
    add_p50_ms: float | None = None
    add_p99_ms: float | None = None
    remove_p50_ms: float | None = None
    remove_p99_ms: float | None = None
    times_ms: list[float] = field(default_factory=list, repr=False)


class People:
    """Random templates, the same for the same number."""

    def __init__(self, *, is_flat: bool) -> None:
        rng = np.random.default_rng(0)
        axes, _ = np.linalg.qr(rng.normal(size=(DIMENSION, DIMENSION)))
        steps = np.arange(DIMENSION)
        spread = np.exp(-1.5 * steps / _EFFECTIVE_DIMENSIONS)
        spread[_EFFECTIVE_DIMENSIONS:] = 2e-3
        self._mix = np.eye(DIMENSION) if is_flat else spread[:, None] * axes.T

    def chunks(self, count: int) -> Iterator[tuple[np.ndarray, Float32]]:
        for first in range(0, count, _CHUNK):
            ids = np.arange(first, min(count, first + _CHUNK))
            yield ids, self._draw(len(ids), first)

    def queries(self, count: int) -> Float32:
        """Other pictures of the first people, and strangers, in turn."""
        known = self._draw(_CHUNK, 0)[:count]
        others = self._draw(count, 1 << 40)
        looks = _unit(known + _LOOK_NOISE * others)
        looks[1::2] = self._draw(count, 1 << 41)[1::2]
        return looks

    def _draw(self, count: int, seed: int) -> Float32:
        values = np.random.default_rng(seed).standard_normal((count, DIMENSION), np.float32)
        return _unit((values @ self._mix).astype(np.float32))


def _unit(vectors: Float32) -> Float32:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def memory_mb() -> tuple[float, float]:
    """The anonymous and the mapped memory of this process in RAM."""
    gc.collect()
    lines = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return tuple(int(lines[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile"))  # type: ignore[return-value]


def build_flat(people: People, count: int) -> Any:
    import faiss

    faiss.omp_set_num_threads(cpu_threads())
    index = faiss.IndexFlatIP(DIMENSION)
    for _, vectors in people.chunks(count):
        index.add(vectors)
    return index


def build_index(people: People, count: int, kind: Kind, directory: Path) -> VectorIndex:
    index = VectorIndex(DIMENSION, _MODEL, kind=kind, directory=directory)
    for ids, vectors in tqdm(people.chunks(count), f"{kind} {count:,}", -(-count // _CHUNK)):
        index.add(ids, vectors, model=_MODEL)
    index.optimise()
    return index


def measure_size(people: People, count: int, kinds: list[Kind], queries: Float32) -> list[Measured]:
    """All kinds at one size."""
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=OUT) as folder:
        searches: dict[str, Search] = {}
        results: list[Measured] = []
        indexes: dict[str, VectorIndex] = {}
        for kind in [FLAT, *kinds]:
            before, started = memory_mb(), time.perf_counter()
            if kind == FLAT:
                flat = build_flat(people, count)
                searches |= {FLAT: _on(cpu_threads(), flat), FLAT_ALONE: _on(1, flat)}
            else:
                indexes[kind] = build_index(people, count, kind, Path(folder))  # type: ignore[arg-type]
                searches[kind] = partial(indexes[kind].search, model=_MODEL)
            build_s = time.perf_counter() - started
            searches[kind](queries[:2], K)
            anonymous, mapped = (now - then for now, then in zip(memory_mb(), before, strict=True))
            results.append(Measured(kind, count, build_s, anonymous, mapped))
        results.insert(1, replace(results[0], kind=FLAT_ALONE, times_ms=[]))
        time_queries(results, searches, queries)
        compare(results, searches, queries)
        for result in results[2:]:
            time_changes(result, indexes[result.kind], people)
        return results


def _on(threads: int, index: Any) -> Search:
    """FAISS's own search on so many threads: ours set the number for what they call."""
    import faiss

    def search(queries: Float32, k: int) -> tuple[Float32, np.ndarray]:
        faiss.omp_set_num_threads(threads)
        return index.search(queries, k)

    return search


def time_queries(results: list[Measured], searches: dict[str, Search], queries: Float32) -> None:
    for query in tqdm(queries, "one by one"):
        for result in results:
            started = time.perf_counter()
            searches[result.kind](query[None], K)
            result.times_ms.append((time.perf_counter() - started) * 1000)
    for result in results:
        result.p50_ms, result.p99_ms = np.percentile(result.times_ms, [50, 99])
        result.least_ms = min(result.times_ms)
    # Under load the threads of FAISS wait for each other, so the better of the two counts.
    flat_ms = min(result.p50_ms for result in results[:2])
    for result in results:
        result.against_flat = result.p50_ms / flat_ms
        started = time.perf_counter()
        searches[result.kind](queries[:_BATCH], K)
        result.batch_ms = (time.perf_counter() - started) * 1000 / len(queries[:_BATCH])


def compare(results: list[Measured], searches: dict[str, Search], queries: Float32) -> None:
    """With FAISS's flat index, which is exact."""
    exact_scores, exact = searches[FLAT](queries, K)
    for result in results:
        scores, ids = searches[result.kind](queries, K)
        # If two scores are equal, either order is right.
        is_best = (ids[:, 0] == exact[:, 0]) | np.isclose(
            scores[:, 0], exact_scores[:, 0], rtol=0, atol=1e-6
        )
        result.top1 = float(is_best.mean())
        own = exact[::2, 0] == np.arange(0, len(queries), 2)
        result.enrolled_found = float(is_best[::2][own].mean())
        common = [len(set(a) & set(b)) for a, b in zip(ids.tolist(), exact.tolist(), strict=True)]
        result.recall5 = float(np.mean(common)) / K


def time_changes(result: Measured, index: VectorIndex, people: People) -> None:
    """Remove one template and add it again, at full size."""
    _, vectors = next(people.chunks(_CHUNK))
    times: dict[str, list[float]] = {"remove": [], "add": []}
    for number in range(_CHANGES):
        started = time.perf_counter()
        index.remove([number])
        removed = time.perf_counter()
        index.add([number], vectors[number : number + 1], model=_MODEL)
        times["remove"].append((removed - started) * 1000)
        times["add"].append((time.perf_counter() - removed) * 1000)
    result.remove_p50_ms, result.remove_p99_ms = np.percentile(times["remove"], [50, 99])
    result.add_p50_ms, result.add_p99_ms = np.percentile(times["add"], [50, 99])


def benchmark(
    weights: Path,
    data: Path,
    rounds: int = 15,
    *,
    sizes: Sequence[int] = SIZES,
    kinds: Sequence[Kind] = get_args(Kind),
    is_flat: bool = False,
) -> str:
    """The block as Markdown; the figures go to var/bench/search.json, too. weights and data are not
    needed. rounds: a twentieth of the queries."""
    people = People(is_flat=is_flat)
    queries = people.queries(20 * rounds)
    results: list[Measured] = []
    for size in sizes:
        results += measure_size(people, size, list(kinds), queries)
    rows = [{k: v for k, v in asdict(row).items() if k != "times_ms"} for row in results]
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "search.json").write_text(json.dumps(rows, indent=1) + "\n")
    return _text(results, len(queries))


def _text(results: list[Measured], queries: int) -> str:
    head = ["templates, kind", "p50 ms", "p99 ms", "least ms", "of flat", "in 64s, ms each",
            "top-1", "recall@5", "enrolled found", "anonymous MB", "mapped MB", "build s",
            "add p50 (p99) ms", "remove p50 (p99) ms"]  # fmt: skip
    return "\n\n".join(
        [
            "## Searching a gallery",
            f"Top {K} of templates of {DIMENSION} dimensions, one query at a time, {queries} "
            f"queries, {cpu_threads()} threads for FAISS and for ours. *Of flat*: p50 as a share "
            "of that of FAISS's flat float32 index at its better number of threads. *Enrolled "
            "found*: of queries that are another look at somebody enrolled, how many have them "
            "first where the flat index has. *Anonymous*: memory that cannot be had back; "
            "*mapped*: exact vectors in a file, of which the system keeps in memory what it has "
            "room for.",
            table(head, [_cells(row) for row in results]),
        ]
    )


def _cells(row: Measured) -> list[str]:
    changes = [
        f"{p50:.3f} ({p99:.3f})" if p50 is not None else ""
        for p50, p99 in ((row.add_p50_ms, row.add_p99_ms), (row.remove_p50_ms, row.remove_p99_ms))
    ]
    return [
        f"{row.templates:,} {row.kind}",
        f"{row.p50_ms:.2f}",
        f"{row.p99_ms:.2f}",
        f"{row.least_ms:.2f}",
        f"{row.against_flat:.3f}",
        f"{row.batch_ms:.2f}",
        f"{row.top1:.4f}",
        f"{row.recall5:.4f}",
        f"{row.enrolled_found:.4f}",
        f"{row.anonymous_mb:.0f}",
        f"{row.mapped_mb:.0f}",
        f"{row.build_s:.1f}",
        *changes,
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", 1)[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--kinds", nargs="+", default=get_args(Kind), choices=get_args(Kind))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--spectrum", choices=["faces", "flat"], default="faces")
    options = parser.parse_args()
    nowhere = Path()
    is_flat = options.spectrum == "flat"
    print(
        benchmark(
            nowhere,
            nowhere,
            options.rounds,
            sizes=options.sizes,
            kinds=options.kinds,
            is_flat=is_flat,
        )
    )


if __name__ == "__main__":
    main()
