"""Exhaustive search over unit vectors in memory.

Vectors lie in one array with room to grow; a removed one is replaced by the last, so adding and
removing cost the same however many there are. A matrix product finds the best, exactly.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ml_engine.types import Float32, ModelMismatch

FORMAT_VERSION = 1
_FIRST_ROOM = 64
# Similarities computed at a time: 64 MB.
_BLOCK_VALUES = 1 << 24


class VectorIndex:
    """Thread-safe. `model` names what made the vectors; others are refused with ModelMismatch."""

    def __init__(self, dimension: int, model: str) -> None:
        self.dimension = dimension
        self.model = model
        self._lock = threading.RLock()
        self._vectors = np.empty((_FIRST_ROOM, dimension), np.float32)
        self._ids = np.empty(_FIRST_ROOM, np.int64)
        self._slot_of: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._slot_of)

    def __contains__(self, vector_id: int) -> bool:
        return vector_id in self._slot_of

    def add(
        self,
        ids: Sequence[int] | NDArray[np.int64],
        vectors: Float32,
        *,
        model: str | None = None,
    ) -> None:
        """Add vectors (n, d) of length 1 under ids (n,); an id that is there is replaced.

        model: what made these vectors, where the caller knows it; checked against the index's.
        """
        vectors = np.asarray(vectors, np.float32)
        if model not in (None, self.model):
            raise ModelMismatch(f"Vectors of {model} offered to an index of {self.model}.")
        if vectors.shape != (len(ids), self.dimension):
            wanted = (len(ids), self.dimension)
            raise ModelMismatch(f"Vectors of shape {vectors.shape} where {wanted} was expected.")
        with self._lock:
            self._reserve(len(self) + len(ids))
            for vector_id, vector in zip(ids, vectors, strict=True):
                slot = self._slot_of.setdefault(int(vector_id), len(self._slot_of))
                self._vectors[slot] = vector
                self._ids[slot] = vector_id

    def remove(self, ids: Sequence[int] | NDArray[np.int64]) -> int:
        """Take ids out; returns how many were there."""
        removed = 0
        with self._lock:
            for vector_id in map(int, ids):
                slot = self._slot_of.pop(vector_id, None)
                if slot is None:
                    continue
                removed += 1
                last = len(self._slot_of)
                if slot != last:
                    self._vectors[slot] = self._vectors[last]
                    self._ids[slot] = self._ids[last]
                    self._slot_of[int(self._ids[slot])] = slot
        return removed

    def search(self, queries: Float32, k: int) -> tuple[Float32, NDArray[np.int64]]:
        """Queries (q, d) to scores and ids (q, k), best first; -inf and -1 where too few."""
        queries = np.atleast_2d(np.asarray(queries, np.float32))
        if queries.shape[1] != self.dimension:
            raise ModelMismatch(f"A query of {queries.shape[1]} dimensions, not {self.dimension}.")
        scores = np.full((len(queries), k), -np.inf, np.float32)
        ids = np.full((len(queries), k), -1, np.int64)
        with self._lock:
            count = len(self)
            found = min(k, count)
            if not found:
                return scores, ids
            step = max(1, _BLOCK_VALUES // count)
            for start in range(0, len(queries), step):
                rows = slice(start, start + step)
                similarities = queries[rows] @ self._vectors[:count].T  # (rows, n)
                best = _best(similarities, found)
                scores[rows, :found] = np.take_along_axis(similarities, best, axis=1)
                ids[rows, :found] = self._ids[best]
        return scores, ids

    def save(self, path: Path) -> None:
        """Write beside and rename."""
        beside = path.with_suffix(".part")
        with self._lock, beside.open("wb") as file:
            count = len(self)
            np.savez(
                file,
                version=FORMAT_VERSION,
                model=self.model,
                ids=self._ids[:count],
                vectors=self._vectors[:count],
            )
        beside.replace(path)

    @classmethod
    def load(cls, path: Path, *, model: str) -> VectorIndex:
        """Read what `save` wrote; ModelMismatch if it is of another model or format."""
        with np.load(path, allow_pickle=False) as file:
            if int(file["version"]) != FORMAT_VERSION or str(file["model"]) != model:
                raise ModelMismatch(f"{path.name} holds vectors of {file['model']}, not {model}.")
            index = cls(file["vectors"].shape[1], model)
            index.add(file["ids"], file["vectors"], model=model)
        return index

    def _reserve(self, count: int) -> None:
        room = len(self._vectors)
        if count <= room:
            return
        grown = max(count, 2 * room)
        self._vectors = np.concatenate(
            [self._vectors, np.empty((grown - room, self.dimension), np.float32)]
        )
        self._ids = np.concatenate([self._ids, np.empty(grown - room, np.int64)])


def _best(similarities: Float32, k: int) -> NDArray[np.int64]:
    """Columns of the k largest of each row, largest first."""
    if k < similarities.shape[1]:
        top = np.argpartition(-similarities, k - 1, axis=1)[:, :k]
    else:
        top = np.broadcast_to(np.arange(k), (len(similarities), k))
    order = np.argsort(-np.take_along_axis(similarities, top, axis=1), axis=1, kind="stable")
    return np.take_along_axis(top, order, axis=1)
