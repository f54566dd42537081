"""Search over unit vectors in memory, of several kinds behind one contract.

| kind | scan | beside the exact vectors | for |
| --- | --- | --- | --- |
| float32 | exact | nothing | up to some hundred thousand templates |
| int8 | at most a quarter of the bytes, rescored | 1 byte a value in memory | up to a few million |
| ivf | the lists nearest to the query, rescored | about 1 byte a value in memory | beyond |

The exact vectors of a float32 index lie in memory; those of the others in a mapped file, of which
only the candidates of a search are read. A vector lies in a slot; a removed one is replaced by the
last, so the cost of adding and removing does not depend on their number. Searches run at the same
time; a change waits for those that run and goes before those that come.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from ml_engine.matching.rows import BLOCK_ROWS, Rows, rows_in_file, rows_in_memory
from ml_engine.matching.scanners import ByteScanner, Scanner
from ml_engine.matching.shared_lock import SharedLock
from ml_engine.matching.slot_map import SlotMap
from ml_engine.types import Float32, ModelMismatch

Kind = Literal["float32", "int8", "ivf"]
Ids = Sequence[int] | NDArray[np.int64]

# A literal table: a kind is one row, one scanner, and the contract test.
_SCANNERS: dict[str, str] = {
    "float32": "ml_engine.matching.scanners:ExactScanner",
    "int8": "ml_engine.matching.scanners:ByteScanner",
    "ivf": "ml_engine.matching.inverted_lists:ListScanner",
}
# A search of many queries runs in parts, so that changes can run between them.
_QUERIES_AT_ONCE = 64
_SCANNED_AT_ONCE = 1 << 28  # queries times vectors
_RESCORED_AT_ONCE = 1 << 22  # values of candidates
# Vectors are added in parts of this size, so that searches can run between them.
_ADDED_AT_ONCE = 1 << 13


class VectorIndex:
    """Thread-safe.

    Args:
        model: the version `name@hash` that made the vectors; vectors of another one are refused.
        directory: for the file of exact vectors, if the kind has one.
    """

    def __init__(
        self,
        dimension: int,
        model: str,
        *,
        kind: Kind = "float32",
        directory: Path | None = None,
    ) -> None:
        in_memory = kind == "float32"
        rows = rows_in_memory(dimension) if in_memory else rows_in_file(dimension, directory)
        self._set_up(dimension, model, kind, rows)

    def _set_up(self, dimension: int, model: str, kind: Kind, rows: Rows) -> None:
        self.dimension = dimension
        self.model = model
        self.kind = kind
        self._lock = SharedLock()
        self._slots = SlotMap()
        self._rows = rows
        module, name = _SCANNERS[kind].split(":")
        make = cast("Callable[..., Scanner]", getattr(import_module(module), name))
        self._scanner = make(rows, dimension)

    def __len__(self) -> int:
        return len(self._slots)

    def __contains__(self, vector_id: int) -> bool:
        with self._lock.read():
            return self._slots.slot(int(vector_id)) >= 0

    @property
    def ids(self) -> NDArray[np.int64]:
        """(n,) all ids, in no order."""
        with self._lock.read():
            return self._slots.ids.copy()

    def vectors(self, ids: Ids) -> tuple[NDArray[np.int64], Float32]:
        """The known ones of these ids (n,), and their exact vectors (n, d)."""
        with self._lock.read():
            slots = np.array([self._slots.slot(int(each)) for each in ids], np.int64)
            there = slots[slots >= 0]
            if not len(there):
                return there, np.empty((0, self.dimension), np.float32)
            return self._slots.ids[there], self._rows.take(there)

    def add(self, ids: Ids, vectors: Float32, *, model: str) -> None:
        """Add vectors (n, d) of length 1 under ids (n,); an id that is there is replaced.

        Raises:
            ModelMismatch: `model`, which made these vectors, is not the index's.
        """
        vectors = np.asarray(vectors, np.float32)
        self._check(model)
        if vectors.shape != (len(ids), self.dimension):
            wanted = (len(ids), self.dimension)
            raise ModelMismatch(f"Vectors of shape {vectors.shape} instead of {wanted}.")
        known = np.asarray(ids, np.int64)
        for start in range(0, len(known), _ADDED_AT_ONCE):
            part = slice(start, start + _ADDED_AT_ONCE)
            self._add(*_last_of_each(known[part], vectors[part]))

    def _add(self, ids: NDArray[np.int64], vectors: Float32) -> None:
        with self._lock.write():
            slots = self._slots.put(ids)
            self._rows.write(slots, vectors)
            self._scanner.write(slots, vectors)

    def remove(self, ids: Ids) -> int:
        """Remove ids; returns how many of them existed."""
        removed = 0
        with self._lock.write():
            for vector_id in map(int, ids):
                moved = self._slots.pop(vector_id)
                if moved is None:
                    continue
                removed += 1
                slot, last = moved
                if slot != last:
                    self._rows.move(last, slot)
                self._scanner.move(last, slot)
        return removed

    def search(self, queries: Float32, k: int, *, model: str) -> tuple[Float32, NDArray[np.int64]]:
        """Queries (q, d) to scores and ids (q, k), best first; -inf and -1 if there are too few.

        Scores are exact cosines, whatever the kind; a kind that is not exact may miss one.

        Raises:
            ModelMismatch: `model`, which made the queries, is not the index's.
        """
        self._check(model)
        queries = np.ascontiguousarray(np.atleast_2d(queries), np.float32)
        if queries.shape[1] != self.dimension:
            raise ModelMismatch(f"A query of {queries.shape[1]} dimensions, not {self.dimension}.")
        scores = np.full((len(queries), k), -np.inf, np.float32)
        ids = np.full((len(queries), k), -1, np.int64)
        step = self._queries_at_once(k)
        for start in range(0, len(queries), step):
            part = slice(start, start + step)
            with self._lock.read():
                self._search(queries[part], scores[part], ids[part])
        return scores, ids

    def _check(self, model: str) -> None:
        if model != self.model:
            raise ModelMismatch(f"Vectors of {model} do not fit an index of {self.model}.")

    def _queries_at_once(self, k: int) -> int:
        by_scan = _SCANNED_AT_ONCE // max(1, len(self))
        by_rescoring = _RESCORED_AT_ONCE // (max(1, k) * self.dimension)
        return max(1, min(_QUERIES_AT_ONCE, by_scan, by_rescoring))

    def _search(self, queries: Float32, scores: Float32, ids: NDArray[np.int64]) -> None:
        count = len(self._slots)
        found = min(scores.shape[1], count)
        if not found:
            return
        slots = self._scanner.scan(queries, found, count)
        exact = np.einsum("qcd,qd->qc", self._rows.take(slots), queries)
        exact[slots < 0] = -np.inf
        best = np.argsort(-exact, axis=1, kind="stable")[:, :found]
        scores[:, :found] = np.take_along_axis(exact, best, axis=1)
        slots = np.take_along_axis(slots, best, axis=1)
        ids[:, :found] = np.where(slots < 0, -1, self._slots.ids[slots])

    def optimise(self) -> None:
        """Learn from the vectors, if there are ten thousand or more. `ivf` finds its lists and has
        none before; `int8` looks again which dimensions are in use, as it did by itself at ten
        thousand. Call it when most vectors were added. Searches and changes wait for it."""
        with self._lock.write():
            self._scanner.optimise(len(self._slots))

    @classmethod
    def of_parts(
        cls,
        model: str,
        rows: Rows,
        slots: SlotMap,
        axes: Float32 | None,
        codes: Sequence[NDArray[np.uint8]],
        vectors: Float32,
    ) -> VectorIndex:
        """An int8 index of what is stored. See `StoredIndex`.

        Args:
            rows: exact vectors of the whole blocks.
            codes: of the whole blocks, made with `axes`.
            vectors: (n, d), of all slots.
        """
        index = cls.__new__(cls)
        index._set_up(vectors.shape[1], model, "int8", rows)
        index._slots = slots
        cast("ByteScanner", index._scanner).take_over(axes, codes)
        rest = np.arange(len(codes) * BLOCK_ROWS, len(slots))
        if len(rest):
            rows.write(rest, vectors[rest[0] :])
            index._scanner.write(rest, vectors[rest[0] :])
        return index


def _last_of_each(ids: NDArray[np.int64], vectors: Float32) -> tuple[NDArray[np.int64], Float32]:
    """If an id occurs twice, its last vector counts."""
    unique, last = np.unique(ids[::-1], return_index=True)
    if len(unique) == len(ids):
        return ids, vectors
    rows = np.sort(len(ids) - 1 - last)
    return ids[rows], vectors[rows]
