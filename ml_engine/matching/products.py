"""Many queries against codes at once: products of matrices, on threads of ours.

Codes are read and made numbers once for all queries, so that a large gallery is not read from
memory once for each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor

import numpy as np
from numpy.typing import NDArray

from ml_engine.matching.rows import BLOCK_ROWS
from ml_engine.runtime.threads import cpu_threads
from ml_engine.types import Float32

# Codes of one product: they and the scores of 64 queries fit into a cache.
_PART_ROWS = 1 << 13

_Codes = NDArray[np.uint8]
# Rows of queries, slots, and scores, all (n,).
_Found = tuple[NDArray[np.int64], NDArray[np.int64], Float32]


def best_by_products(
    queries: Float32, blocks: Sequence[_Codes], k: int, pool: Executor
) -> NDArray[np.int64]:
    """Slots (q, k) of the k codes of the highest products with each query (q, d), best first; -1 if
    there are too few. blocks: codes (n, d), all but the last of BLOCK_ROWS."""
    floors = np.full(len(queries), -np.inf, np.float32)
    parts = iter(list(_parts(blocks)))
    workers = min(cpu_threads(), len(blocks))
    found = pool.map(lambda _: _work(queries, parts, k, floors), range(workers))
    return _sorted_out([each for one in found for each in one], len(queries), k)


def _parts(blocks: Sequence[_Codes]) -> Iterator[tuple[int, _Codes]]:
    """With the slot of their first code."""
    for number, block in enumerate(blocks):
        for first in range(0, len(block), _PART_ROWS):
            yield number * BLOCK_ROWS + first, block[first : first + _PART_ROWS]


def _work(
    queries: Float32, parts: Iterator[tuple[int, _Codes]], k: int, floors: Float32
) -> list[_Found]:
    """Each thread takes the next part that is left.

    floors: the k-th best score of some part for each query, so the k best of all are not below.
    """
    numbers = np.empty((_PART_ROWS, queries.shape[1]), np.float32)
    scores = np.empty(len(queries) * _PART_ROWS, np.float32)
    found = []
    for first, codes in parts:
        count = len(codes)
        np.copyto(numbers[:count], codes)
        product = scores[: len(queries) * count].reshape(len(queries), count)
        np.matmul(queries, numbers[:count].T, out=product)
        if count >= k and np.isneginf(floors).any():
            np.maximum(floors, np.partition(product, count - k)[:, count - k], out=floors)
        # Flat: numpy finds them much faster than in two dimensions.
        flat = np.flatnonzero((product >= floors[:, None]).ravel())
        found.append((flat // count, flat % count + first, product.ravel()[flat]))
    return found


def _sorted_out(found: list[_Found], queries: int, k: int) -> NDArray[np.int64]:
    rows, slots, scores = (np.concatenate(values) for values in zip(*found, strict=True))
    order = np.lexsort((-scores, rows))
    rows, slots = rows[order], slots[order]
    ranks = np.arange(len(rows)) - np.searchsorted(rows, np.arange(queries))[rows]
    best = np.full((queries, k), -1, np.int64)
    is_best = ranks < k
    best[rows[is_best], ranks[is_best]] = slots[is_best]
    return best
