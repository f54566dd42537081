"""A file of rows that is written in pieces, with the SHA-256 of each piece in a second file.

So damage is found, and rows can be overwritten in place without reading all of the file again. A
crash between the two files counts as damage.
"""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Linux: a copy of a page needs memory once it is written to, not before.
_MAP_NORESERVE = 0x4000
_SUMS = np.dtype([("end", "<i8"), ("sha256", "u1", (32,))])


class DamagedFile(ValueError):
    """The file is not what was written."""


class CheckedFile:
    """Rows of one type. Not thread-safe: its owner locks, between processes, too.

    Args:
        width: values of a row; None: rows are single values.
    """

    def __init__(self, path: Path, dtype: str, width: int | None = None) -> None:
        self.path = path
        self._sums_path = path.with_name(path.name + ".sums")
        self._dtype = np.dtype(dtype)
        self._width = () if width is None else (width,)
        self._row_bytes = self._dtype.itemsize * (1 if width is None else width)

    def __len__(self) -> int:
        """Rows that were written completely."""
        sums = self._sums()
        return int(sums["end"][-1]) // self._row_bytes if len(sums) else 0

    def append(self, rows: NDArray[Any]) -> None:
        """One piece."""
        content = np.ascontiguousarray(rows, self._dtype).tobytes()
        sums = np.zeros(1, _SUMS)
        sums["end"] = len(self) * self._row_bytes + len(content)
        sums["sha256"] = _sha256(content)
        with self.path.open("ab") as file:
            file.write(content)
        with self._sums_path.open("ab") as file:
            file.write(sums.tobytes())

    def read(self, first: int, count: int) -> NDArray[Any]:
        """Rows `first` .. `first + count - 1`, as far as there are any."""
        found = max(0, min(count, len(self) - first)) * self._row_bytes
        start = first * self._row_bytes
        with self.path.open("rb") as file:
            file.seek(start)
            content = file.read(found)
        return np.frombuffer(content, self._dtype).reshape(-1, *self._width)

    def read_rows(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Those of these rows that are written."""
        return self.map()[rows[rows < len(self)]]

    def map(self) -> NDArray[Any]:
        """All rows. Their pages are those of the file, shared with other processes, until they are
        written to: then this process gets a copy. Pages without a copy show what `overwrite` does
        in any process."""
        count = len(self)
        if not count:
            return np.empty((0, *self._width), self._dtype)
        flags = mmap.MAP_PRIVATE | _MAP_NORESERVE
        with self.path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), count * self._row_bytes, flags=flags,
                               prot=mmap.PROT_READ | mmap.PROT_WRITE)  # fmt: skip
        return np.frombuffer(mapped, self._dtype).reshape(-1, *self._width)

    def overwrite(self, rows: NDArray[np.int64]) -> None:
        """Set these rows, in rising order, to zero, on the disk. Without a map: if the disk fails,
        or the file is cut, a map ends the process.

        Raises:
            DamagedFile: cut off.
        """
        if not len(rows):
            return
        if self.path.stat().st_size < len(self) * self._row_bytes:
            raise DamagedFile(f"{self.path.name} is cut off.")
        sums = self._sums()
        touched = np.searchsorted(sums["end"], rows * self._row_bytes, side="right")
        with self.path.open("r+b", buffering=0) as file:
            for run in np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1):
                zeros = bytes(len(run) * self._row_bytes)
                os.pwrite(file.fileno(), zeros, int(run[0]) * self._row_bytes)
            os.fsync(file.fileno())
            for number in np.unique(touched):
                start = int(sums["end"][number - 1]) if number else 0
                file.seek(start)
                sums["sha256"][number] = _sha256(file.read(int(sums["end"][number]) - start))
        with self._sums_path.open("r+b") as file:
            file.write(sums.tobytes())
            file.flush()
            os.fsync(file.fileno())

    def sync(self) -> None:
        for path in (self.path, self._sums_path):
            if path.exists():
                with path.open("rb") as file:
                    os.fsync(file.fileno())

    def checks(self, count: int) -> Iterator[None]:
        """Compare the file with its sums, one piece for each step.

        Raises:
            DamagedFile: cut off or changed, or of another number of rows than `count`.
        """
        sums = self._sums()
        size = count * self._row_bytes
        is_there = self.path.exists()
        if len(self) != count or (self.path.stat().st_size if is_there else 0) != size:
            raise DamagedFile(f"{self.path.name} is cut off.")
        start = 0
        for number, end in enumerate(sums["end"].tolist()):
            with self.path.open("rb") as file:
                file.seek(start)
                content = file.read(end - start)
            # Read again: rows of this piece may have been overwritten since.
            if self._sums()["sha256"][number].tobytes() != hashlib.sha256(content).digest():
                raise DamagedFile(f"{self.path.name} was changed after it was written.")
            start = end
            yield

    def _sums(self) -> NDArray[Any]:
        if not self._sums_path.exists():
            return np.empty(0, _SUMS)
        content = self._sums_path.read_bytes()
        whole = len(content) // _SUMS.itemsize * _SUMS.itemsize
        return np.frombuffer(content[:whole], _SUMS).copy()


def _sha256(content: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(hashlib.sha256(content).digest(), np.uint8)
