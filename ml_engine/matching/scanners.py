"""Ways to find candidates among many vectors: the kinds of an index.

A scanner gives slots that may be among the best; the index computes their exact scores. A scanner
stores its own data by slot. The scans themselves are FAISS's (Douze
et al., "The Faiss library", 2024), block by block on threads of ours: its own threads would start
anew for every caller, and for one query it uses one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ml_engine.matching.products import best_by_products
from ml_engine.matching.rows import BLOCK_ROWS, Rows
from ml_engine.runtime.threads import cpu_threads, one_blas_thread
from ml_engine.types import Float32

Slots = NDArray[np.int64]
Found = tuple[Float32, Slots]  # scores and slots (q, c); -1 for none
# From this number of queries on, one product of matrices is faster than one pass for each.
_MANY_QUERIES = 8
# The same for this number of results, because the product needs no heap.
_MANY_RESULTS = 256
# A product's columns whose best is looked at first.
_GROUP = 64
# The least number of vectors to learn from.
LEAST_COUNT = 10_000
AXES_SAMPLE = 20_000
_LOST = 1e-3
_WIDTH_STEP = 32


class Scanner(Protocol):
    """Not thread-safe: its owner locks; several may scan at once."""

    def write(self, slots: Slots, vectors: Float32) -> None:
        """Vectors (n, d) are in slots (n,) now."""

    def move(self, source: int, target: int) -> None:
        """The vector of the last slot, `source`, moves to `target`; `source` is free then. If both
        are the same, the slot is free."""

    def scan(self, queries: Float32, k: int, count: int) -> Slots:
        """Of `count` slots, candidates (q, c) for the k best of each query; -1 for none."""

    def optimise(self, count: int) -> None:
        """Learn from the present vectors, if this kind learns anything."""


class ExactScanner:
    """The exact vectors themselves: float32."""

    def __init__(self, rows: Rows, dimension: int) -> None:
        self._rows = rows

    def write(self, slots: Slots, vectors: Float32) -> None:
        """Nothing: the rows have them."""

    def move(self, source: int, target: int) -> None:
        """Nothing: the rows have moved it."""

    def scan(self, queries: Float32, k: int, count: int) -> Slots:
        is_much = len(queries) >= _MANY_QUERIES or k > _MANY_RESULTS
        blocks = list(self._rows.blocks(count))
        if not is_much:
            return _best_of_blocks(blocks, lambda block: _pass_over(queries, block, k), k)
        with one_blas_thread:
            return _best_of_blocks(blocks, lambda block: _multiply(queries, block, k), k)

    def optimise(self, count: int) -> None:
        """Nothing to learn."""


class ByteScanner:
    """Vectors and queries as int8 codes, block by block: products of bytes are the quickest.

    Networks use fewer dimensions than their vectors have (MobileFaceNet about 60 of 192). As soon
    as there are enough vectors to see which, codes hold those alone.
    """

    def __init__(self, rows: Rows, dimension: int) -> None:
        self._rows = rows
        self._width = dimension
        self._blocks: list[tuple[Any, NDArray[np.uint8]]] = []  # a FAISS index, and its codes
        self._axes: Float32 | None = None  # (d, width)
        self._has_learnt = False

    def write(self, slots: Slots, vectors: Float32) -> None:
        while slots.max() >= len(self._blocks) * BLOCK_ROWS:
            self._blocks.append(self._new_block())
        codes = byte_codes(vectors, self._axes)
        for number in np.unique(slots // BLOCK_ROWS):
            chosen = slots // BLOCK_ROWS == number
            self._blocks[number][1][slots[chosen] % BLOCK_ROWS] = codes[chosen]
        count = int(slots.max()) + 1
        if count >= LEAST_COUNT and not self._has_learnt:
            self._learn(count)

    def move(self, source: int, target: int) -> None:
        codes = self._blocks[source // BLOCK_ROWS][1][source % BLOCK_ROWS]
        self._blocks[target // BLOCK_ROWS][1][target % BLOCK_ROWS] = codes

    def scan(self, queries: Float32, k: int, count: int) -> Slots:
        wanted = min(count, self.candidates(k))
        encoded = self.encoded_queries(queries)
        used = self._blocks[: -(-count // BLOCK_ROWS)]
        counts = [min(BLOCK_ROWS, count - number * BLOCK_ROWS) for number in range(len(used))]
        if len(queries) >= _MANY_QUERIES:
            blocks = [codes[:rows] for (_, codes), rows in zip(used, counts, strict=True)]
            with one_blas_thread:
                return best_by_products(encoded, blocks, wanted, _pool())
        for (index, _), rows in zip(used, counts, strict=True):
            index.ntotal = rows
        indexes = [index for index, _ in used]
        return _best_of_blocks(indexes, lambda index: index.search(encoded, wanted), wanted)

    def optimise(self, count: int) -> None:
        """Look again which dimensions are in use."""
        if count >= LEAST_COUNT:
            self._learn(count)

    def candidates(self, k: int) -> int:
        """How many to fetch to have the k best among them."""
        return 4 * k + 32

    def encoded(self, vectors: Float32) -> Float32:
        """Vectors as the quantiser takes them."""
        return _rounded(vectors, self._axes)

    def take_over(self, axes: Float32 | None, blocks: Sequence[NDArray[np.uint8]]) -> None:
        """Use codes that are there already, in whole blocks, and the axes (d, width) that they were
        made with."""
        if axes is not None:
            self._axes, self._width, self._has_learnt = axes, axes.shape[1], True
        self._blocks = [(self._index_on(codes), codes) for codes in blocks]

    def encoded_queries(self, queries: Float32) -> Float32:
        """Each scaled to the full range of a byte: its scale changes no order."""
        turned = _turned(queries, self._axes)
        largest = np.abs(turned).max(axis=1, keepdims=True)
        return np.rint(turned * (np.float32(127) / np.maximum(largest, np.float32(1e-6))))

    def _new_block(self) -> tuple[Any, NDArray[np.uint8]]:
        codes = np.zeros((BLOCK_ROWS, self._width), np.uint8)
        return self._index_on(codes), codes

    def _index_on(self, codes: NDArray[np.uint8]) -> Any:
        """A FAISS index that reads these codes where they are."""
        import faiss

        kind = faiss.ScalarQuantizer.QT_8bit_direct_signed
        index: Any = faiss.IndexScalarQuantizer(self._width, kind, faiss.METRIC_INNER_PRODUCT)
        index.codes.is_owned = False
        index.codes.c_ptr, index.codes.c_size = faiss.swig_ptr(codes), codes.size
        return index

    def _learn(self, count: int) -> None:
        self._has_learnt = True
        axes = axes_in_use(self._sample(count, AXES_SAMPLE))
        if axes.shape[1] == self._width:
            return
        self._axes, self._width, self._blocks = axes, axes.shape[1], []
        self._encode_all(count)

    def _encode_all(self, count: int) -> None:
        first = 0
        for block in self._rows.blocks(count):
            self.write(np.arange(first, first + len(block)), block)
            first += len(block)

    def _sample(self, count: int, size: int) -> Float32:
        """Some of the vectors; the same ones for the same count."""
        chosen = np.random.default_rng(0).choice(count, min(count, size), replace=False)
        return self._rows.take(np.sort(chosen))


def axes_in_use(vectors: Float32) -> Float32:
    """(d, width): orthogonal axes of the smallest subspace that holds all but a thousandth of the
    energy of the vectors (n, d), rotated at random, so that all axes hold equally much. The width
    suits the instructions of the scan."""
    dimension = vectors.shape[1]
    strengths, axes = np.linalg.eigh(vectors.T @ vectors)
    share = np.cumsum(strengths[::-1]) / strengths.sum()
    needed = int(np.searchsorted(share, 1 - _LOST)) + 1
    width = min(dimension, needed + -needed % _WIDTH_STEP)
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(width, width)))
    return (axes[:, dimension - width :] @ turn).astype(np.float32)


def byte_codes(vectors: Float32, axes: Float32 | None) -> NDArray[np.uint8]:
    """Vectors (n, d) to FAISS's `QT_8bit_direct_signed` (n, width). axes: (d, width), None: all."""
    return (_rounded(vectors, axes) + 128).astype(np.uint8)


def _rounded(vectors: Float32, axes: Float32 | None) -> Float32:
    turned = _turned(vectors, axes)
    return np.rint(turned * byte_scale(turned.shape[1])).clip(-127, 127)


def _turned(vectors: Float32, axes: Float32 | None) -> Float32:
    return vectors if axes is None else vectors @ axes


def byte_scale(width: int) -> np.float32:
    """Values of a unit vector spread around 1 / sqrt(width); hardly any is beyond seven times that.
    Measured on faces among 300,000 others, for all presets: the five best are then among the 52
    candidates of a scan, and at five times among them in 99.98 % of searches."""
    return np.float32(127 * np.sqrt(width) / 7)


def _best_of_blocks(blocks: Sequence[Any], scan: Callable[[Any], Found], k: int) -> Slots:
    """Scan blocks on all threads; slots (q, at most k) of the best of all."""
    numbered = iter(enumerate(blocks))

    def work() -> list[Found]:
        # Each thread takes the next block that is left.
        return [_with_first(scan(block), number * BLOCK_ROWS) for number, block in numbered]

    threads = min(len(blocks), cpu_threads())
    if threads > 1:
        found = [part for parts in _pool().map(lambda _: work(), range(threads)) for part in parts]
    else:
        use_threads(1)
        found = work()
    if len(found) == 1:
        return found[0][1]
    scores = np.concatenate([part[0] for part in found], axis=1)
    slots = np.concatenate([part[1] for part in found], axis=1)
    if scores.shape[1] <= k:
        return slots
    best = np.argpartition(scores, scores.shape[1] - k, axis=1)[:, -k:]
    return np.take_along_axis(slots, best, axis=1)


def _with_first(found: Found, first: int) -> Found:
    scores, slots = found
    return scores, np.where(slots >= 0, slots + first, -1)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(cpu_threads(), "search", initializer=partial(use_threads, 1))


def use_threads(count: int) -> None:
    """Set the number of threads that FAISS uses for calls of this thread."""
    import faiss

    faiss.omp_set_num_threads(count)


def _pass_over(queries: Float32, block: Float32, k: int) -> Found:
    import faiss

    scores, slots = faiss.knn(queries, block, min(k, len(block)), faiss.METRIC_INNER_PRODUCT)
    return scores, slots


def _multiply(queries: Float32, block: Float32, k: int) -> Found:
    scores = queries @ block.T
    columns = best_columns(scores, min(k, len(block)))
    return np.take_along_axis(scores, columns, axis=1), columns


def best_columns(scores: Float32, k: int) -> Slots:
    """Columns (q, k) of the k largest of each row, in no order.

    The k largest lie in the k groups with the largest best ones: finding the best of every group
    is quick, and only few groups are left to sort.
    """
    rows, count = scores.shape
    groups = count // _GROUP
    if k * _GROUP * 2 > count:
        return _largest(scores, k)
    whole = groups * _GROUP
    best = scores[:, :whole].reshape(rows, groups, _GROUP).max(axis=2)
    columns = _largest(best, k)[:, :, None] * _GROUP + np.arange(_GROUP)
    rest = np.broadcast_to(np.arange(whole, count), (rows, count - whole))
    columns = np.concatenate([columns.reshape(rows, -1), rest], axis=1)
    chosen = _largest(np.take_along_axis(scores, columns, axis=1), k)
    return np.take_along_axis(columns, chosen, axis=1)


def _largest(scores: Float32, k: int) -> Slots:
    count = scores.shape[1]
    if k >= count:
        return np.broadcast_to(np.arange(count), (len(scores), count))
    return np.argpartition(scores, count - k, axis=1)[:, count - k :]
