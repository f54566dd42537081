"""Encoded packets, and clips of them, for tests."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO
from typing import Any
from uuid import UUID

import av
import numpy as np
from django.core.files.base import ContentFile

from ml_engine.types import Image
from recognition.cameras.mp4 import mp4_of
from recognition.cameras.sources.packets import (
    TICKS_PER_S,
    VideoFormat,
    VideoPacket,
    parameter_sets,
)
from recognition.events.models import Clip, Event
from recognition.web.identifiers import uuid7
from tests.commits import committed

FPS = 10
_ENCODERS = {"h264": "libx264", "hevc": "libx265", "mjpeg": "mjpeg"}
_OPTIONS = {
    "h264": {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "repeat-headers=1"},
    "hevc": {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "x265-params": "repeat-headers=1:log-level=error",
    },
    "mjpeg": {},
}


def video_packets(
    codec: str = "h264",
    *,
    seconds: float = 4.0,
    begins_s: float | None = None,
    group: int = FPS,
    size: tuple[int, int] = (160, 96),
) -> list[VideoPacket]:
    """Packets of a camera at `FPS` with a key frame every `group` pictures. begins_s: when the
    first one came, as by `time.time`."""
    begins_s = time.time() - seconds if begins_s is None else begins_s
    encoder: Any = av.CodecContext.create(_ENCODERS[codec], "w")
    encoder.width, encoder.height = size
    encoder.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    encoder.framerate, encoder.gop_size, encoder.options = FPS, group, _OPTIONS[codec]
    packets = []
    for number in range(round(seconds * FPS)):
        frame = av.VideoFrame.from_ndarray(_picture(number, size), format="rgb24")
        frame.pts = number
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    return list(_as_sent(codec, packets, begins_s))


def _picture(number: int, size: tuple[int, int]) -> Image:
    """Its brightness tells its number."""
    return np.full((size[1], size[0], 3), 20 + 4 * (number % 50), np.uint8)


def _as_sent(codec: str, packets: Sequence[Any], begins_s: float) -> Iterator[VideoPacket]:
    made = VideoFormat(codec, b"")
    for number, packet in enumerate(packets):
        data = bytes(packet)
        if packet.is_keyframe:
            made = VideoFormat(codec, parameter_sets(codec, data))
        ticks = 1_000_000 + number * TICKS_PER_S // FPS
        yield VideoPacket(data, ticks, ticks, packet.is_keyframe, begins_s + number / FPS, made)


@dataclass(frozen=True, slots=True)
class Played:
    """What a player finds in a file. times_s: of its pictures."""

    codec: str
    times_s: list[float]
    brightness: list[float]
    begins_with_key: bool
    size: tuple[int, int]


def played(content: bytes) -> Played:
    """Decode all of it; damaged pictures are errors."""
    with av.open(BytesIO(content), "r") as container:
        stream = container.streams.video[0]
        stream.codec_context.options = {"err_detect": "explode"}
        frames = list(container.decode(stream))
        return Played(
            stream.codec_context.name,
            [round(frame.time or 0.0, 3) for frame in frames],
            [float(frame.to_ndarray(format="rgb24").mean()) for frame in frames],
            frames[0].key_frame,
            (frames[0].width, frames[0].height),
        )


@committed()
def make_clip(event: Event, codec: str = "h264", **values: Any) -> Clip:
    """A stored clip of the event."""
    video = mp4_of(video_packets(codec, seconds=2))
    clip = new_clip(event.started_at, state=Clip.State.READY, codec=codec, **values)
    clip.file.save("clip.mp4", ContentFile(video.content))
    Clip.objects.filter(pk=clip.pk).update(seconds=video.seconds, bytes=len(video.content))
    Event.objects.filter(pk=event.pk).update(clip=clip)
    clip.refresh_from_db()
    return clip


def new_clip(started_at: datetime, *, pk: UUID | None = None, **values: Any) -> Clip:
    """A row from five seconds before a visit to ten seconds after its beginning."""
    times = {
        "begins_at": started_at - timedelta(seconds=5),
        "ends_at": started_at + timedelta(seconds=10),
    }
    return Clip.objects.create(pk=pk or uuid7(), **(times | values))
