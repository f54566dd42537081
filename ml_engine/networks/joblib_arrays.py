"""Reading arrays out of an LZ4-compressed joblib file, without joblib and without running it.

Such a file is a pickle, and a pickle can name any function. The reader here knows three names and
refuses every other one, so that the worst a manipulated file can do is to fail. Formats: the LZ4
frame format 1.6 and joblib's array wrapper, whose raw bytes follow the pickled header.
"""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LZ4_MAGIC = b"\x04\x22\x4d\x18"
_MAX_BYTES = 64 << 20


class UnreadableArrays(ValueError):
    """The file is not an LZ4-compressed joblib list of float32 arrays."""


def read_arrays(path: Path) -> list[NDArray[np.float32]]:
    """The float32 arrays of a file written by `joblib.dump(list, compress="lz4")`.

    Raises:
        UnreadableArrays: damaged, or holding anything but float32 arrays.
    """
    try:
        return _unpickle(decompress_lz4(path.read_bytes()))
    except (EOFError, IndexError, ValueError, pickle.UnpicklingError) as error:
        raise UnreadableArrays(f"{path.name}: {error}") from error


def _unpickle(content: bytes) -> list[NDArray[np.float32]]:
    stream = io.BytesIO(content)

    class Wrapper:
        """Stands in for joblib's: its state is the header, its values follow in the file."""

        values: NDArray[np.float32]

        def __setstate__(self, state: dict[str, Any]) -> None:
            self.values = _read_values(stream, state)

    names = {
        ("joblib.numpy_pickle", "NumpyArrayWrapper"): Wrapper,
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    # The Python class and not its C twin: that one reads ahead, past the header.
    class Reader(pickle._Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            if (module, name) not in names:
                raise pickle.UnpicklingError(f"{module}.{name} does not belong in a weight file")
            return names[module, name]

    wrappers = Reader(stream).load()
    if not isinstance(wrappers, list) or not all(isinstance(w, Wrapper) for w in wrappers):
        raise UnreadableArrays("not a list of arrays")
    return [wrapper.values for wrapper in wrappers]


def _read_values(stream: io.BytesIO, header: dict[str, Any]) -> NDArray[np.float32]:
    if header["subclass"] is not np.ndarray or header["dtype"] != np.dtype("<f4"):
        raise UnreadableArrays("an array that is not float32")
    if header["order"] != "C":
        raise UnreadableArrays("an array that is not in C order")
    if header.get("numpy_array_alignment_bytes"):
        stream.read(stream.read(1)[0])
    shape = tuple(int(side) for side in header["shape"])
    count = int(np.prod(shape))
    return np.frombuffer(stream.read(4 * count), "<f4", count).reshape(shape).copy()


def decompress_lz4(frame: bytes) -> bytes:
    """The content of one LZ4 frame. Its checksums are skipped: files are checked by SHA-256."""
    if frame[:4] != _LZ4_MAGIC or frame[4] >> 6 != 1:
        raise UnreadableArrays("not an LZ4 frame")
    flags = frame[4]
    has_block_checksum, has_size, has_dictionary = flags & 16, flags & 8, flags & 1
    position = 7 + (8 if has_size else 0) + (4 if has_dictionary else 0)
    content = bytearray()
    while size := int.from_bytes(frame[position : position + 4], "little"):
        position += 4
        length = size & 0x7FFFFFFF
        block = frame[position : position + length]
        if size >> 31:
            content += block
        else:
            _append_block(content, block)
        position += length + (4 if has_block_checksum else 0)
        if len(content) > _MAX_BYTES:
            raise UnreadableArrays("far larger than weights are")
    return bytes(content)


def _append_block(content: bytearray, block: bytes) -> None:
    """Decode one compressed block onto `content`, which its matches may reach back into."""
    position = 0
    while position < len(block):
        token = block[position]
        literals, position = _length(block, position + 1, token >> 4)
        content += block[position : position + literals]
        position += literals
        if position >= len(block):  # The last sequence ends with its literals.
            return
        offset = int.from_bytes(block[position : position + 2], "little")
        if not 0 < offset <= len(content):
            raise UnreadableArrays("an LZ4 match reaches before the beginning")
        matched, position = _length(block, position + 2, token & 15)
        _append_match(content, offset, matched + 4)


def _length(block: bytes, position: int, nibble: int) -> tuple[int, int]:
    """A length that starts in a nibble of the token and goes on in bytes while they are 255."""
    length = nibble
    more = nibble == 15
    while more:
        length += block[position]
        more = block[position] == 255
        position += 1
    return length, position


def _append_match(content: bytearray, offset: int, length: int) -> None:
    start = len(content) - offset
    pattern = content[start : start + min(offset, length)]
    repeats = -(-length // len(pattern))
    content += (pattern * repeats)[:length]
