"""Weight files are pickles: the arrays in them come out, and nothing in them is run."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_engine.networks.joblib_arrays import UnreadableArrays, decompress_lz4, read_arrays
from ml_engine.zoo import fetch


def _frame(content: bytes) -> bytes:
    """One LZ4 frame that stores its content as it is."""
    head = b"\x04\x22\x4d\x18" + bytes([0x40, 0x40, 0x00])
    return head + struct.pack("<I", len(content) | 1 << 31) + content + struct.pack("<I", 0)


def _write(path: Path, value: object) -> Path:
    path.write_bytes(_frame(pickle.dumps(value)))
    return path


class _RunsACommand:
    def __init__(self, target: Path) -> None:
        self._target = target

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.touch, (self._target,)


def test_a_pickle_that_would_run_something_is_refused_and_not_run(tmp_path: Path) -> None:
    target = tmp_path / "was_run"
    pickle.loads(pickle.dumps(_RunsACommand(target)))
    assert target.exists(), "the pickle does nothing, so this test says nothing"
    target.unlink()
    malicious = _write(tmp_path / "evil.lz4", [_RunsACommand(target)])
    with pytest.raises(UnreadableArrays, match="does not belong"):
        read_arrays(malicious)
    assert not target.exists()


@pytest.mark.parametrize("name", ["os.system", "builtins.eval", "numpy.load", "joblib.load"])
def test_pickle_with_a_global_outside_the_list_is_refused(name: str, tmp_path: Path) -> None:
    module, _, function = name.rpartition(".")
    content = b"\x80\x02c" + f"{module}\n{function}\n".encode() + b"X\x01\x00\x00\x00x\x85R."
    path = tmp_path / "evil.lz4"
    path.write_bytes(_frame(content))
    with pytest.raises(UnreadableArrays, match="does not belong"):
        read_arrays(path)


@pytest.mark.parametrize("value", [{"a": 1}, [1, 2], "text", [np.zeros(3, np.float32)]])
def test_anything_but_a_list_of_wrapped_arrays_is_refused(value: object, tmp_path: Path) -> None:
    with pytest.raises(UnreadableArrays):
        read_arrays(_write(tmp_path / "other.lz4", value))


@pytest.mark.parametrize(
    "content", [b"", b"text", _frame(b"")[:9], _frame(b"abc")[:-6], _frame(b"\x80\x05.")]
)
def test_damaged_file_of_arrays_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "damaged.lz4"
    path.write_bytes(content)
    with pytest.raises(UnreadableArrays):
        read_arrays(path)


def _compressed(blocks: list[bytes]) -> bytes:
    head = b"\x04\x22\x4d\x18" + bytes([0x40, 0x40, 0x00])
    body = b"".join(struct.pack("<I", len(block)) + block for block in blocks)
    return head + body + struct.pack("<I", 0)


def test_lz4_block_with_literals_and_matches_is_decompressed() -> None:
    # Six literals, a match of 4 + 5 that reaches 6 back and overlaps itself, two literals.
    block = bytes([0x65]) + b"abcdef" + struct.pack("<H", 6) + bytes([0x20]) + b"XY"
    assert decompress_lz4(_compressed([block])) == b"abcdefabcdefabcXY"


def test_lz4_long_lengths_and_matches_over_blocks() -> None:
    literals = bytes(range(256)) + bytes(14 + 15)
    first = bytes([0xF0, 255, len(literals) - 15 - 255]) + literals
    # A match of 4 + 15 + 3 that begins in the block before, then one literal.
    second = bytes([0x0F]) + struct.pack("<H", len(literals)) + bytes([3, 0x10]) + b"Z"
    wanted = literals + literals[:22] + b"Z"
    assert decompress_lz4(_compressed([first, second])) == wanted


def test_lz4_refuses_a_match_before_the_beginning() -> None:
    with pytest.raises(UnreadableArrays, match="before the beginning"):
        decompress_lz4(_compressed([bytes([0x10]) + b"a" + struct.pack("<H", 9) + b"\x00"]))


def test_lz4_refuses_what_grows_without_end() -> None:
    """A few bytes say "repeat this 16 million times", again and again."""
    grow = bytes([0x1F]) + b"a" + struct.pack("<H", 1) + b"\xff" * 65_000 + b"\x00" + b"\x00"
    with pytest.raises(UnreadableArrays, match="larger"):
        decompress_lz4(_compressed([grow] * 5))


@pytest.mark.weights
def test_published_mtcnn_weights_are_read(weights_dir: Path) -> None:
    arrays = read_arrays(fetch("mtcnn", weights_dir)["pnet.lz4"])
    assert [array.shape for array in arrays[:3]] == [(3, 3, 3, 10), (10,), (1, 1, 10)]
    assert all(array.dtype == np.float32 and np.isfinite(array).all() for array in arrays)
