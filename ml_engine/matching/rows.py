"""The exact vectors of an index, in blocks: growing copies nothing.

Blocks are in memory, or in an unnamed file that is mapped into memory: the system keeps as much of
it in memory as fits, and the file disappears with the process.
"""

from __future__ import annotations

import math
import mmap
import os
import tempfile
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from ml_engine.types import Float32

# Rows of a block: enough that a scan of one outweighs the call, few enough to share out.
BLOCK_ROWS = 1 << 15
_BLOCKS_A_MAPPING = 32
_VALUE_BYTES = 4


class Rows:
    """Vectors (d,) by slot. Not thread-safe: its owner locks.

    Args:
        new_block: makes an array (BLOCK_ROWS, d) to write to.
        blocks: full ones that are there already.
    """

    def __init__(self, new_block: Callable[[], Float32], blocks: Sequence[Float32] = ()) -> None:
        self._new_block = new_block
        self._blocks = list(blocks)

    def write(self, slots: NDArray[np.int64], vectors: Float32) -> None:
        """Vectors (n, d) to their slots (n,)."""
        blocks = slots // BLOCK_ROWS
        for number in np.unique(blocks):
            while number >= len(self._blocks):
                self._blocks.append(self._new_block())
            chosen = blocks == number
            self._blocks[number][slots[chosen] % BLOCK_ROWS] = vectors[chosen]

    def move(self, source: int, target: int) -> None:
        self._row(target)[:] = self._row(source)

    def take(self, slots: NDArray[np.int64]) -> Float32:
        """Slots of any shape to vectors (..., d)."""
        flat = slots.ravel()
        vectors = [self._row(int(slot)) for slot in flat]
        return np.stack(vectors).reshape(*slots.shape, -1)

    def blocks(self, count: int) -> Iterator[Float32]:
        """The first `count` vectors, block by block."""
        for number in range(-(-count // BLOCK_ROWS)):
            yield self._blocks[number][: count - number * BLOCK_ROWS]

    def _row(self, slot: int) -> Float32:
        return self._blocks[slot // BLOCK_ROWS][slot % BLOCK_ROWS]


def rows_in_memory(dimension: int) -> Rows:
    return Rows(lambda: np.empty((BLOCK_ROWS, dimension), np.float32))


def rows_in_file(
    dimension: int, directory: Path | None = None, blocks: Sequence[Float32] = ()
) -> Rows:
    """Args:

    directory: of the file; by default the system's folder for temporary files. A file system in
        memory (tmpfs) saves no memory.
    """
    file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 - it lives as long as the blocks
    spare: list[Float32] = []

    def new_block() -> Float32:
        if not spare:
            spare.extend(_mapped_blocks(file, dimension))
        return spare.pop(0)

    rows = Rows(new_block, blocks)
    weakref.finalize(rows, file.close)
    return rows


def _mapped_blocks(file: IO[bytes], dimension: int) -> Float32:
    """Lengthen the file by many blocks at once, since a mapping keeps a file handle. The file is
    sparse: its unwritten parts take no room."""
    shape = (_BLOCKS_A_MAPPING, BLOCK_ROWS, dimension)
    size = math.prod(shape) * _VALUE_BYTES
    size += -size % mmap.ALLOCATIONGRANULARITY
    start = file.seek(0, os.SEEK_END)
    file.truncate(start + size)
    mapped = mmap.mmap(file.fileno(), size, offset=start)
    return np.frombuffer(mapped, np.float32, math.prod(shape)).reshape(shape)
