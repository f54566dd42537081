"""Decoding videos with PyAV: one thread a camera, and only pictures of a sane size."""

from __future__ import annotations

from collections.abc import Iterator

import av
import numpy as np
from av.container import InputContainer
from numpy.typing import NDArray

from ml_engine.types import Image
from recognition.cameras.sources.base import SourceFailed

# FFmpeg's names of the formats of video files.
PLAYABLE_FILES = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts"
# A little more than a 4K picture: larger ones would take seconds.
MAX_PIXELS = 10_000_000
# Formats whose first plane holds one byte of brightness for each pixel.
_BRIGHTNESS_FIRST = frozenset(
    ["yuv420p", "yuv422p", "yuv444p", "yuvj420p", "yuvj422p", "yuvj444p", "nv12", "nv21", "gray"]
)


def decoded(container: InputContainer) -> Iterator[av.VideoFrame]:
    """All frames of the first video stream; SourceFailed, av.FFmpegError."""
    if not container.streams.video:
        raise SourceFailed("There is no video in it.")
    stream = container.streams.video[0]
    # Decoding must not take the cores that the engine works on; and threads add a delay.
    stream.thread_type = "NONE"
    stream.codec_context.thread_count = 1
    for frame in container.decode(stream):
        if frame.width * frame.height > MAX_PIXELS:
            raise SourceFailed(f"Its pictures are larger than {MAX_PIXELS / 1e6:.0f} megapixels.")
        yield frame


class VideoPicture:
    """A `LazyPicture` of FFmpeg."""

    def __init__(self, frame: av.VideoFrame) -> None:
        self._frame = frame

    @property
    def size(self) -> tuple[int, int]:
        return self._frame.width, self._frame.height

    def rgb(self) -> Image:
        return np.asarray(self._frame.to_ndarray(format="rgb24"), np.uint8)

    def brightness(self) -> NDArray[np.uint8]:
        """The first plane, without a copy, if it is the brightness alone."""
        if self._frame.format.name not in _BRIGHTNESS_FIRST:
            return self.rgb()
        plane = self._frame.planes[0]
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        return rows[: self._frame.height, : self._frame.width]
