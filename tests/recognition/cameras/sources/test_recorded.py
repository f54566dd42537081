"""Frames of recordings: their times, however odd the file is."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ml_engine import ImageError
from recognition.cameras.sources import recorded
from recognition.cameras.sources.base import SourceFailed
from recognition.cameras.sources.recorded import RecordedFrame, opened_recording
from tests.fakes import photo
from tests.recognition.videos import write_video


class FakeFrame(NamedTuple):
    time: float | None


def _frames(path: Path, fps: float = 10.0) -> list[RecordedFrame]:
    with path.open("rb") as file, opened_recording(file, fps) as frames:
        return list(frames)


@pytest.mark.parametrize("suffix", ["mov", "mp4", "mkv", "avi", "ts"])
def test_containers_are_read_from_a_file_object(tmp_path: Path, suffix: str) -> None:
    frames = _frames(write_video(tmp_path / f"a.{suffix}", [(2, (1,))]))
    assert [frame.at_s for frame in frames] == pytest.approx([n / 10 for n in range(20)], abs=0.01)
    assert frames[0].picture().shape == (240, 480, 3)


def test_frames_above_the_rate_are_left_out(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", [(2, (1,))], fps=30)
    assert len(_frames(path, 10)) == pytest.approx(20, abs=1)
    assert len(_frames(path, 60)) == 60


def test_time_of_a_recording_never_goes_back_and_gaps_of_its_clock_are_left_out() -> None:
    times = [5.0, 5.1, None, 5.3, 2.0, 2.1, 9000.0, 9000.1]
    frames: Any = [FakeFrame(time) for time in times]
    taken = [round(at_s, 3) for at_s, _ in recorded._timed(iter(frames))]
    assert taken == [0.0, 0.1, 0.1, 0.3, 0.3, 0.4, 0.4, 0.5]


def test_video_that_breaks_off_ends_there(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.ts", [(4, (1,))])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] + b"x" * 500)
    assert 5 < len(_frames(path)) < 40


def test_damaged_frames_within_a_video_are_left_out(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.ts", [(4, (1,))])
    data = bytearray(path.read_bytes())
    # The payload of packets in the middle, but not their headers.
    for at in range(len(data) // 188 // 3, len(data) // 188 // 2):
        data[188 * at + 20 : 188 * at + 180] = bytes(160)
    path.write_bytes(data)
    frames = _frames(path)
    assert frames[-1].at_s > 3.5


@pytest.mark.parametrize("content", [b"", b"no video", b"#EXTM3U\nhttp://127.0.0.1/a.ts\n"])
def test_file_that_is_no_recording_is_refused(content: bytes) -> None:
    with pytest.raises(SourceFailed), opened_recording(io.BytesIO(content), 10) as frames:
        next(frames)


def test_pictures_of_a_zip_come_at_the_times_of_their_files() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, second in (("b.jpg", 4), ("a.jpg", 2), ("c.jpg", 4), ("notes.txt", 0)):
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 2, 3, 4, second)), photo(1))
        archive.writestr(zipfile.ZipInfo("z.jpg", (2026, 1, 2, 3, 4, 20)), b"broken")
    with opened_recording(file, 10) as frames:
        found = list(frames)
        assert [frame.at_s for frame in found] == pytest.approx([0.0, 2.0, 2.1, 18.0])
        assert found[0].picture().shape[2] == 3
        with pytest.raises(ImageError):
            found[-1].picture()


def test_zip_without_pictures_is_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("notes.txt", b"none")
    with pytest.raises(SourceFailed), opened_recording(file, 10) as frames:
        next(frames)
