"""Files that are played as cameras; live/test_cameras.py tests the cameras."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from recognition.cameras.models import Camera
from recognition.cameras.sources import decoding
from recognition.cameras.sources.base import SourceFailed
from recognition.cameras.sources.video_file import VideoFile


def _write(path: Path, *, frames: int, fps: int = 20, side: int = 64) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.width = stream.height = side
        stream.pix_fmt = "yuv420p"
        for number in range(frames):
            picture = np.full((side, side, 3), number * 10, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


@pytest.fixture
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.VIDEO_DIR = tmp_path
    return tmp_path


def _camera(name: str, *, loops: bool = False) -> Camera:
    return Camera(kind="file", address=name, loops=loops)


def test_frames_come_as_rgb_in_order_and_in_real_time(folder: Path) -> None:
    _write(folder / "a.mp4", frames=20)
    started = time.monotonic()
    levels = []
    for picture in VideoFile().frames(_camera("a.mp4"), threading.Event()):
        assert callable(picture)
        image = picture()
        assert image.shape == (64, 64, 3)
        levels.append(float(image.mean()))
    assert time.monotonic() - started > 0.9
    assert levels == pytest.approx([number * 10 for number in range(20)], abs=6)


def test_file_that_loops_goes_on_until_it_is_stopped(folder: Path) -> None:
    _write(folder / "a.mp4", frames=4)
    stopped = threading.Event()
    seen = 0
    for _ in VideoFile().frames(_camera("a.mp4", loops=True), stopped):
        seen += 1
        if seen == 10:
            stopped.set()
    assert seen == 10


def test_frames_that_are_too_large_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(folder / "a.mp4", frames=4)
    monkeypatch.setattr(decoding, "MAX_PIXELS", 64 * 64 - 1)
    with pytest.raises(SourceFailed, match="larger than"):
        next(VideoFile().frames(_camera("a.mp4"), threading.Event()))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no video",
        b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n",
        b"ffconcat version 1.0\n",
    ],
)
def test_what_is_no_video_file_is_refused(folder: Path, content: bytes) -> None:
    (folder / "a.mp4").write_bytes(content)
    with pytest.raises(SourceFailed, match="not a video"):
        next(VideoFile().frames(_camera("a.mp4"), threading.Event()))


def test_sound_alone_is_refused(folder: Path) -> None:
    with av.open(str(folder / "a.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        silence = np.zeros((1, 1024), np.float32)
        frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(SourceFailed, match="no video in it"):
        next(VideoFile().frames(_camera("a.mp4"), threading.Event()))
