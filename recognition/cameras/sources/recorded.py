"""Recordings: a video, or a ZIP of pictures, read as fast as its frames are wanted."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath
from typing import IO

import av
from av.container import InputContainer
from django.conf import settings

from ml_engine import ImageError
from ml_engine.images import ImageLimits, decode_image
from ml_engine.types import Image
from recognition.cameras.pictures import MAX_PIXELS, Converters, VideoPicture
from recognition.cameras.sources.base import SourceFailed
from recognition.cameras.sources.decoding import PLAYABLE_FILES, video_of

# If the times of two frames lie further apart, or go back, the clock of the file has jumped.
_JUMP_S = 60.0
VIDEOS = frozenset({".mov", ".mp4", ".m4v", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts"})
PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})


@dataclass(frozen=True, slots=True)
class RecordedFrame:
    """at_s: after the first frame. done: part of the recording that is read by then, 0 to 1; None
    if its length is not known. ImageError comes from `picture`."""

    at_s: float
    done: float | None
    picture: Callable[[], Image]


@contextmanager
def opened_recording(file: IO[bytes], fps: float) -> Iterator[Iterator[RecordedFrame]]:
    """The frames of a file, `fps` a second at most; of a ZIP all pictures. SourceFailed if it
    cannot be played. A video that breaks off ends there, and damaged frames are left out."""
    try:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                yield _pictures(archive)
            return
    except zipfile.BadZipFile as error:
        raise SourceFailed("This ZIP is broken.") from error
    file.seek(0)
    try:
        # Only these formats, and this file alone: others name addresses.
        options = {"format_whitelist": PLAYABLE_FILES, "protocol_whitelist": "none"}
        container = av.open(file, "r", options=options)
    except (av.FFmpegError, OSError) as error:
        raise SourceFailed("This is not a video that can be played.") from error
    with container:
        length_s = (container.duration or 0) / av.time_base
        yield _thinned(_timed(_decoded(container)), fps, length_s)


def _decoded(container: InputContainer) -> Iterator[av.VideoFrame]:
    stream = video_of(container)
    # Nothing waits for its newest frame, unlike that of a camera: frames may be decoded ahead.
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = 0
    is_empty = True
    try:
        for packet in container.demux(stream):
            for frame in _frames_of(packet):
                is_empty = False
                yield frame
    except (av.FFmpegError, OSError):
        pass
    if is_empty:
        raise SourceFailed("This is not a video that can be played.")


def _frames_of(packet: av.Packet) -> list[av.VideoFrame]:
    try:
        return packet.decode()
    except av.FFmpegError:
        return []


def _timed(frames: Iterator[av.VideoFrame]) -> Iterator[tuple[float, av.VideoFrame]]:
    """Each frame with its time after the first one, which never goes back."""
    at_s, before_s = 0.0, None
    for frame in frames:
        now_s = frame.time
        if now_s is not None:
            step_s = 0.0 if before_s is None else now_s - before_s
            at_s += step_s if 0 <= step_s <= _JUMP_S else 0.0
            before_s = now_s
        yield at_s, frame


def _thinned(
    frames: Iterator[tuple[float, av.VideoFrame]], fps: float, length_s: float
) -> Iterator[RecordedFrame]:
    next_s, converters = 0.0, Converters()
    for at_s, frame in frames:
        # A frame that is a little early counts as in time.
        if at_s >= next_s - 0.25 / fps:
            next_s = max(next_s, at_s - 1 / fps) + 1 / fps
            done = min(1.0, at_s / length_s) if length_s > 0 else None
            yield RecordedFrame(at_s, done, VideoPicture(frame, converters))


def _pictures(archive: zipfile.ZipFile) -> Iterator[RecordedFrame]:
    """In the order of the times of their files, which a ZIP has in steps of two seconds; pictures
    of the same time follow each other a tenth of a second apart."""
    entries = [
        entry
        for entry in sorted(archive.infolist(), key=lambda entry: (entry.date_time, entry.filename))
        if PurePath(entry.filename).suffix.lower() in PICTURES and not entry.is_dir()
    ]
    if not entries:
        raise SourceFailed("There are no pictures in it.")
    first, at_s = _taken(entries[0]), 0.0
    for number, entry in enumerate(entries):
        taken_s = (_taken(entry) - first).total_seconds()
        at_s = taken_s if number == 0 or taken_s > at_s else at_s + 0.1
        yield RecordedFrame(at_s, number / len(entries), _reader(archive, entry))


def _taken(entry: zipfile.ZipInfo) -> datetime:
    try:
        return datetime(*entry.date_time)
    except ValueError:  # a ZIP may name month 0
        return datetime(1980, 1, 1)


def _reader(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Callable[[], Image]:
    limits = ImageLimits(max_bytes=settings.MAX_IMAGE_MB * 2**20, max_pixels=MAX_PIXELS)

    def read() -> Image:
        if entry.file_size > limits.max_bytes:
            raise ImageError("The picture is too large.", code="image_too_large")
        try:
            data = archive.read(entry)
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
            raise ImageError("The picture is broken or encrypted.", code="broken_image") from error
        return decode_image(data, limits)

    return read
