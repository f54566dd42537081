"""Searching a gallery: every kind of index beside FAISS's flat one, in one run.

    python -m benchmarks.search [--sizes 100000 1000000] [--queries 300] [--out FOLDER]

Templates are made up, with the spectrum of MobileFaceNet's embeddings (all but a ten-thousandth of
their variance lies in 58 of 192 dimensions); `--spectrum flat` spreads them evenly, which no
network does and approximate search likes least. Half of the queries are another look at somebody
who is enrolled (cosine about 0.7), half are strangers. The kinds are timed in turn, query by query,
so that what else the machine does falls on all alike.
"""

from __future__ import annotations

import argparse
import gc
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np
from tqdm import tqdm

from benchmarks.machine import describe_machine
from ml_engine.matching import VectorIndex
from ml_engine.matching.index import Kind
from ml_engine.runtime.threads import cpu_threads
from ml_engine.types import Float32

DIMENSION = 192
K = 5
FLAT = "faiss flat"
_CHUNK = 8192
_BATCH = 64
_CHANGES = 300
_EFFECTIVE_DIMENSIONS = 58
_LOOK_NOISE = 1.0  # against the length of a vector: a cosine of about 0.7

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
    add_p50_ms: float | None = None
    add_p99_ms: float | None = None
    remove_p50_ms: float | None = None
    remove_p99_ms: float | None = None
    times_ms: list[float] = field(default_factory=list, repr=False)


class People:
    """Made-up templates, the same for the same number."""

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
        """Other looks at the first people, and strangers, in turn."""
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
    """Anonymous and mapped memory of this process that lies in RAM."""
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
    index = VectorIndex(DIMENSION, "benchmark", kind=kind, directory=directory)
    for ids, vectors in tqdm(people.chunks(count), f"{kind} {count:,}", -(-count // _CHUNK)):
        index.add(ids, vectors)
    index.optimise()
    return index


def measure_size(people: People, count: int, kinds: list[Kind], queries: Float32) -> list[Measured]:
    """All kinds at one size."""
    with tempfile.TemporaryDirectory(dir="var") as folder:
        searches: dict[str, Search] = {}
        results: list[Measured] = []
        indexes: dict[str, VectorIndex] = {}
        for kind in [FLAT, *kinds]:
            before, started = memory_mb(), time.perf_counter()
            if kind == FLAT:
                searches[kind] = build_flat(people, count).search
            else:
                indexes[kind] = build_index(people, count, kind, Path(folder))  # type: ignore[arg-type]
                searches[kind] = indexes[kind].search
            build_s = time.perf_counter() - started
            searches[kind](queries[:2], K)
            anonymous, mapped = (now - then for now, then in zip(memory_mb(), before, strict=True))
            results.append(Measured(kind, count, build_s, anonymous, mapped))
        time_queries(results, searches, queries)
        compare(results, searches, queries)
        for result in results[1:]:
            time_changes(result, indexes[result.kind], people)
        return results


def time_queries(results: list[Measured], searches: dict[str, Search], queries: Float32) -> None:
    import faiss

    for query in tqdm(queries, "one by one"):
        for result in results:
            # What our threads of FAISS may take is not what its own index may.
            faiss.omp_set_num_threads(cpu_threads())
            started = time.perf_counter()
            searches[result.kind](query[None], K)
            result.times_ms.append((time.perf_counter() - started) * 1000)
    for result in results:
        result.p50_ms, result.p99_ms = np.percentile(result.times_ms, [50, 99])
        result.least_ms = min(result.times_ms)
        result.against_flat = result.p50_ms / results[0].p50_ms
        faiss.omp_set_num_threads(cpu_threads())
        started = time.perf_counter()
        searches[result.kind](queries[:_BATCH], K)
        result.batch_ms = (time.perf_counter() - started) * 1000 / _BATCH


def compare(results: list[Measured], searches: dict[str, Search], queries: Float32) -> None:
    """With FAISS's flat index, which is exact."""
    exact_scores, exact = searches[FLAT](queries, K)
    for result in results:
        scores, ids = searches[result.kind](queries, K)
        # Equal scores are equally right, whichever of two comes first.
        is_best = (ids[:, 0] == exact[:, 0]) | np.isclose(
            scores[:, 0], exact_scores[:, 0], rtol=0, atol=1e-6
        )
        result.top1 = float(is_best.mean())
        common = [len(set(a) & set(b)) for a, b in zip(ids.tolist(), exact.tolist(), strict=True)]
        result.recall5 = float(np.mean(common)) / K


def time_changes(result: Measured, index: VectorIndex, people: People) -> None:
    """One template goes and comes back, at full size."""
    _, vectors = next(people.chunks(_CHUNK))
    times: dict[str, list[float]] = {"remove": [], "add": []}
    for number in range(_CHANGES):
        started = time.perf_counter()
        index.remove([number])
        removed = time.perf_counter()
        index.add([number], vectors[number : number + 1])
        times["remove"].append((removed - started) * 1000)
        times["add"].append((time.perf_counter() - removed) * 1000)
    result.remove_p50_ms, result.remove_p99_ms = np.percentile(times["remove"], [50, 99])
    result.add_p50_ms, result.add_p99_ms = np.percentile(times["add"], [50, 99])


def markdown(results: list[Measured], machine: str) -> str:
    lines = [
        f"{machine}; {DIMENSION} dimensions, top {K}, {cpu_threads()} threads.",
        "",
        "| templates | kind | one query p50 / p99 ms | of flat | per query of 64 ms | top-1 | "
        "recall@5 | anonymous / mapped MB | build s | add / remove p50 (p99) ms |",
        "| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in results:
        changes = (
            f"{row.add_p50_ms:.3f} ({row.add_p99_ms:.3f}) / "
            f"{row.remove_p50_ms:.3f} ({row.remove_p99_ms:.3f})"
            if row.add_p50_ms is not None
            else ""
        )
        lines.append(
            f"| {row.templates:,} | {row.kind} | {row.p50_ms:.2f} / {row.p99_ms:.2f} | "
            f"{row.against_flat:.2f} | {row.batch_ms:.2f} | {row.top1:.4f} | {row.recall5:.4f} | "
            f"{row.anonymous_mb:.0f} / {row.mapped_mb:.0f} | {row.build_s:.1f} | {changes} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--kinds", nargs="+", default=list(get_args(Kind)))
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--spectrum", choices=["faces", "flat"], default="faces")
    parser.add_argument("--out", type=Path, default=Path("var/bench"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    people = People(is_flat=options.spectrum == "flat")
    queries = people.queries(options.queries)
    results: list[Measured] = []
    for size in options.sizes:
        results += measure_size(people, size, options.kinds, queries)
    text = markdown(results, describe_machine())
    rows = [{k: v for k, v in asdict(row).items() if k != "times_ms"} for row in results]
    figures = {"machine": describe_machine(), "spectrum": options.spectrum, "rows": rows}
    (options.out / "search.json").write_text(json.dumps(figures, indent=1) + "\n")
    (options.out / "search.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
