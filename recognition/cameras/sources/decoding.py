"""Decoding videos with PyAV: one thread a camera, and only pictures of a sane size."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import av
import numpy as np
from av.container import InputContainer

from ml_engine.types import Image
from recognition.cameras.sources.base import SourceFailed

# FFmpeg's names of the formats of video files.
PLAYABLE_FILES = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts"
# A little more than a 4K picture: larger ones would take seconds.
MAX_PIXELS = 10_000_000


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


def picture_of(frame: av.VideoFrame) -> Callable[[], Image]:
    """Converted to RGB when it is wanted: that takes longer than decoding."""
    return lambda: np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
