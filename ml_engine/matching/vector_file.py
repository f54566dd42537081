"""Vectors in a file: a line of JSON, ids, and vectors as they lie in memory, to be mapped.

The file is written beside and renamed, so a file is always whole; its content is checked against
the SHA-256 in its head.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from ml_engine.types import Float32, ModelMismatch

FORMAT = "facerec vectors"
FORMAT_VERSION = 2
_HEAD_BYTES = 4096
# Vectors begin on a page, so that they can be mapped.
_PAGE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a file. model: the version that made the vectors. kind: of the index."""

    model: str
    kind: str
    dimension: int
    count: int
    sha256: str = ""
    format: str = FORMAT
    version: int = FORMAT_VERSION

    @property
    def vectors_start(self) -> int:
        end = _HEAD_BYTES + 8 * self.count
        return end + -end % _PAGE_BYTES


class DamagedFile(ValueError):
    """The file is not what was written."""


def write_vectors(
    path: Path, head: Head, ids: NDArray[np.int64], blocks: Iterable[Float32]
) -> None:
    """blocks: the vectors, `head.count` in all."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.seek(_HEAD_BYTES)
            digest = hashlib.sha256()
            _write(file, digest, ids.astype("<i8"))
            file.seek(head.vectors_start)
            for block in blocks:
                _write(file, digest, block.astype("<f4", copy=False))
            file.truncate(head.vectors_start + 4 * head.count * head.dimension)
            file.seek(0)
            values = asdict(head) | {"sha256": digest.hexdigest()}
            file.write(json.dumps(values).encode().ljust(_HEAD_BYTES - 1) + b"\n")
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read_vectors(path: Path, *, model: str) -> tuple[Head, NDArray[np.int64], Float32]:
    """Head, ids (n,) and vectors (n, d). The vectors are mapped: they are read when they are
    used, and changes of them stay in memory.

    Raises:
        ModelMismatch: of another model, or of another version of the format.
        DamagedFile: cut off or changed.
    """
    head = _read_head(path)
    if head.model != model:
        raise ModelMismatch(f"{path.name} holds vectors of {head.model}, not of {model}.")
    shape = (head.count, head.dimension)
    if path.stat().st_size != head.vectors_start + 4 * head.count * head.dimension:
        raise DamagedFile(f"{path.name} is cut off.")
    ids = np.fromfile(path, "<i8", head.count, offset=_HEAD_BYTES)
    if not head.count:
        return head, ids, np.empty(shape, np.float32)
    vectors = np.memmap(path, "<f4", "c", head.vectors_start, shape)
    digest = hashlib.sha256(ids.tobytes())
    digest.update(vectors.data)
    if digest.hexdigest() != head.sha256:
        raise DamagedFile(f"{path.name} was changed after it was written.")
    return head, ids, vectors


def _write(file: IO[bytes], digest: hashlib._Hash, values: np.ndarray) -> None:
    content = np.ascontiguousarray(values).data
    digest.update(content)
    file.write(content)


def _read_head(path: Path) -> Head:
    with path.open("rb") as file:
        line = file.read(_HEAD_BYTES)
    try:
        values = json.loads(line)
    except ValueError as error:
        raise DamagedFile(f"{path.name} is no file of vectors.") from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise DamagedFile(f"{path.name} is no file of vectors.")
    if values.get("version") != FORMAT_VERSION:
        raise ModelMismatch(f"{path.name} is of version {values.get('version')} of its format.")
    return Head(**values)
