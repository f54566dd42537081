"""The files of an int8 index in one folder: written once, then mapped by all processes of a host.

| file | what |
| --- | --- |
| `ids` | ids in rising order; the position in it is the slot |
| `vectors` | the exact vectors |
| `axes`, `codes` | the axes in use, unless all are, and the vectors in bytes |
| `table` | ids to slots, see `SlotMap` |
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml_engine.matching.checked_file import CheckedFile
from ml_engine.matching.index import VectorIndex
from ml_engine.matching.rows import BLOCK_ROWS, rows_in_file
from ml_engine.matching.scanners import AXES_SAMPLE, LEAST_COUNT, axes_in_use, byte_codes
from ml_engine.matching.slot_map import SlotMap
from ml_engine.types import Float32

_TABLE_ROWS = 1 << 22


class StoredIndex:
    """First `add`, then `encode`, then any number of `open` and `overwrite`."""

    def __init__(self, folder: Path, dimension: int) -> None:
        self.dimension = dimension
        self.ids = CheckedFile(folder / "ids", "<i8")
        self._vectors = CheckedFile(folder / "vectors", "<f4", dimension)
        self._axes = CheckedFile(folder / "axes", "<f4", dimension)  # one axis a row
        self._codes_path = folder / "codes"
        self._table = CheckedFile(folder / "table", "<i4")

    @property
    def files(self) -> list[CheckedFile]:
        return [self.ids, self._vectors, self._axes, self._codes, self._table]

    @property
    def _codes(self) -> CheckedFile:
        return CheckedFile(self._codes_path, "u1", len(self._axes) or self.dimension)

    def add(self, ids: NDArray[np.int64], vectors: Float32) -> None:
        """The next block: ids (n,) that are higher than all before, and vectors (n, d) of length 1.
        Vectors first: what has an id can be overwritten."""
        self._vectors.append(vectors)
        self.ids.append(ids)

    def encode(self) -> Iterator[None]:
        """Write codes and table, in steps: another process may overwrite rows between them."""
        count = len(self.ids)
        axes = self._axes_in_use(count)
        if axes is not None:
            self._axes.append(axes.T)
        yield
        codes = self._codes
        for first in range(0, count, BLOCK_ROWS):
            codes.append(byte_codes(self._vectors.read(first, BLOCK_ROWS), axes))
            yield
        slots = SlotMap()
        for first in range(0, count, _TABLE_ROWS):
            slots.put(self.ids.read(first, _TABLE_ROWS))
            yield
        for first in range(0, len(slots.table), _TABLE_ROWS):
            self._table.append(slots.table[first : first + _TABLE_ROWS])
            yield

    def open(self, model: str, directory: Path) -> VectorIndex:
        """An index on these files. What changes in it is in memory, or in an unnamed file in
        `directory`; the files stay as they are."""
        count = len(self.ids)
        whole = count // BLOCK_ROWS * BLOCK_ROWS
        vectors, codes = self._vectors.map(), self._codes.map()
        rows = rows_in_file(self.dimension, directory, _blocks(vectors[:whole]))
        axes = self._axes.map().T.copy() if len(self._axes) else None
        slots = SlotMap(self.ids.map(), self._table.map())
        return VectorIndex.of_parts(model, rows, slots, axes, _blocks(codes[:whole]), vectors)

    def overwrite(self, slots: NDArray[np.int64]) -> None:
        """Set the vectors of these slots to zero, as far as they are written."""
        for file in (self._vectors, self._codes):
            file.overwrite(slots[slots < len(file)])

    def _axes_in_use(self, count: int) -> Float32 | None:
        if count < LEAST_COUNT:
            return None
        size = min(count, AXES_SAMPLE)
        chosen = np.sort(np.random.default_rng(0).choice(count, size, replace=False))
        axes = axes_in_use(self._vectors.map()[chosen])
        return axes if axes.shape[1] < self.dimension else None


def _blocks(rows: NDArray[Any]) -> list[NDArray[Any]]:
    """Rows of whole blocks, block by block."""
    return [rows[first : first + BLOCK_ROWS] for first in range(0, len(rows), BLOCK_ROWS)]
