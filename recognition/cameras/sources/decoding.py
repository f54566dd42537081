"""Decoding videos with PyAV: one thread a camera, and only pictures of a sane size."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import av
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from django.conf import settings

from recognition.cameras.pictures import MAX_PIXELS
from recognition.cameras.sources.base import SourceFailed

# FFmpeg's names of the formats of video files.
PLAYABLE_FILES = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts"
# In the order of preference. With `primary_ctx` all cameras share one context, TensorFlow's.
_DEVICES: dict[str, dict[str, object]] = {"cuda": {"primary_ctx": "1"}, "qsv": {}}


def video_of(container: InputContainer) -> av.VideoStream:
    """The first video stream, to be decoded in this thread; SourceFailed.

    Its decoder refuses larger pictures before it takes memory for them, also if they become large
    later on.
    """
    if not container.streams.video:
        raise SourceFailed("There is no video in it.")
    stream = container.streams.video[0]
    # Decoding must not take the cores that the engine works on; and threads add a delay.
    stream.thread_type = "NONE"
    context = stream.codec_context
    context.thread_count = 1
    context.options = {"max_pixels": str(MAX_PIXELS)}
    if context.width * context.height > MAX_PIXELS:
        raise too_large()
    return stream


def decoded(container: InputContainer) -> Iterator[av.VideoFrame]:
    """All frames of the first video stream; SourceFailed, av.FFmpegError."""
    for packet in container.demux(video_of(container)):
        yield from packet.decode()


def too_large() -> SourceFailed:
    return SourceFailed(f"Its pictures are larger than {MAX_PIXELS / 1e6:.0f} megapixels.")


@cache
def hardware() -> HWAccel | None:
    """The device of this machine that decodes; None if there is none, or by CAMERA_HARDWARE.
    Not tried on real hardware: there was none to test with."""
    if not settings.CAMERA_HARDWARE:
        return None
    for device, options in _DEVICES.items():
        accelerated = HWAccel(device, options=options)
        try:
            # Says whether the device is there, and its drivers work.
            accelerated.create(av.Codec("h264", "r"))
        except (av.FFmpegError, NotImplementedError):
            continue
        return accelerated
    return None
