"""The streams of benchmarks: what comes out of the encoder, and what is made only once."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pytest

from benchmarks.cameras import streams
from benchmarks.cameras.streams import FPS, Stream, bits_a_second, square, write_streams
from ml_engine.images import encode_jpeg

_SECONDS = 4


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Stream:
    """A stream of small pictures, of a photo in a room."""
    size = (640, 540)
    monkeypatch.setattr(streams, "room", lambda seed: np.full((size[1], size[0], 3), 90, np.uint8))
    photo = encode_jpeg(np.full((120, 100, 3), 200, np.uint8))
    return Stream("door", (photo,), seconds=_SECONDS, kbit=400, seed=1)


def test_stream_has_a_key_frame_every_two_seconds(small: Stream, tmp_path: Path) -> None:
    folder = write_streams([small], tmp_path)["door"]
    units = [path.read_bytes() for path in sorted(folder.iterdir())]
    assert len(units) == _SECONDS * FPS
    with av.open(io.BytesIO(b"".join(units)), "r", format="h264") as container:
        frames = list(container.decode(video=0))
    assert [number for number, frame in enumerate(frames) if frame.key_frame] == [0, 2 * FPS]
    assert {(frame.width, frame.height) for frame in frames} == {(640, 540)}


def test_stream_keeps_to_its_bits_a_second(small: Stream, tmp_path: Path) -> None:
    folder = write_streams([small], tmp_path)["door"]
    assert 0.5 < bits_a_second(folder) / (1000 * small.kbit) < 1.3


def test_stream_that_is_there_is_not_made_again(
    small: Stream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = write_streams([small], tmp_path)
    monkeypatch.setattr(streams, "film", None)
    assert write_streams([small], tmp_path) == made
    assert list(tmp_path.glob("door*")) == [made["door"]]


def test_square_is_the_middle_of_a_photo() -> None:
    photo = np.zeros((2, 6, 3), np.uint8)
    photo[:, 2:4] = 9
    assert (square(photo) == np.full((2, 2, 3), 9)).all()
