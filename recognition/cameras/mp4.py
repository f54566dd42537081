"""MP4 files of clips: packets as the camera sent them, or encoded again for every browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from io import BytesIO

import av
from av.container import InputContainer, OutputContainer
from av.video.frame import PictureType

from recognition.cameras.pictures import MAX_PIXELS
from recognition.cameras.sources.base import SourceFailed
from recognition.cameras.sources.decoding import PLAYABLE_FILES, video_of
from recognition.cameras.sources.packets import TICKS_PER_S, VideoPacket

_TICK = Fraction(1, TICKS_PER_S)
# For the index at the beginning of the file; a packet needs 44 bytes of it at most.
_INDEX_BYTES, _INDEX_BYTES_A_PACKET = 16_384, 64
_CODEC, _ENCODER = "h264", "libx264"
_PIXELS = "yuv420p"
_QUALITY = {"preset": "veryfast", "crf": "21"}
_PICTURES_A_GROUP = 50
_USUAL_FPS = 25
# If the times of a clip differ from real time by this factor, the camera's clock is wrong.
_OFF = 3.0
_SHORT_S = 1.0


class Unplayable(Exception):
    """These packets are no video; the message is for people."""


@dataclass(frozen=True, slots=True)
class Video:
    content: bytes
    codec: str
    seconds: float


def mp4_of(packets: Sequence[VideoPacket]) -> Video:
    """A file of these packets, as they are; its times begin at 0. Unplayable."""
    if not packets:
        raise Unplayable("No picture of the camera was in memory that a clip can begin with.")
    codec = packets[0].format.codec
    file = BytesIO()
    seconds = 0.0
    try:
        width, height = _size_of(packets[0])
        with _written(file, len(packets)) as container:
            stream = container.add_mux_stream(codec, width=width, height=height, time_base=_TICK)
            for packet in _from_zero(packets):
                packet.stream = stream
                seconds = float((packet.dts or 0) + (packet.duration or 0)) / TICKS_PER_S
                container.mux(packet)
    except (av.FFmpegError, ValueError) as error:
        raise Unplayable("The pictures of the camera could not be put into a file.") from error
    return Video(file.getvalue(), codec, round(seconds, 2))


def playable_mp4(content: bytes, done: Callable[[float], None]) -> Video:
    """The same video in H.264, without damaged pictures. done: called after each picture with the
    part that is done, 0 to 1; may raise. Unplayable."""
    file = BytesIO()
    seconds = 0.0
    options = {"format_whitelist": PLAYABLE_FILES, "protocol_whitelist": "none"}
    try:
        with av.open(BytesIO(content), "r", options=options) as source:
            stream = video_of(source)
            length_s = float((source.duration or 0) / av.time_base) or 1.0
            with _written(file, stream.frames + 1) as container:
                made = _encoder(container, stream)
                for frame in _undamaged(source, stream):
                    seconds = frame.time or 0.0
                    container.mux(made.encode(_for_browsers(frame, made)))
                    done(min(1.0, seconds / length_s))
                container.mux(made.encode(None))
    except (av.FFmpegError, SourceFailed) as error:
        raise Unplayable("The clip cannot be decoded.") from error
    return Video(file.getvalue(), _CODEC, round(max(seconds, length_s), 2))


def _undamaged(source: InputContainer, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    for packet in source.demux(stream):
        try:
            frames = stream.decode(packet)
        except av.FFmpegError:
            continue
        yield from frames


def _written(file: BytesIO, packets: int) -> OutputContainer:
    """With the index at the beginning, so that a browser can seek before it has the whole file."""
    room = _INDEX_BYTES + _INDEX_BYTES_A_PACKET * packets
    return av.open(file, "w", format="mp4", container_options={"moov_size": str(room)})


def _encoder(container: OutputContainer, stream: av.VideoStream) -> av.VideoStream:
    made = container.add_stream(_ENCODER, rate=_USUAL_FPS, options=_QUALITY, time_base=_TICK)
    assert isinstance(made, av.VideoStream)
    made.width = stream.codec_context.width // 2 * 2
    made.height = stream.codec_context.height // 2 * 2
    made.pix_fmt = _PIXELS
    made.codec_context.gop_size = _PICTURES_A_GROUP
    # The engine needs the cores.
    made.codec_context.thread_count = 1
    return made


def _for_browsers(frame: av.VideoFrame, made: av.VideoStream) -> av.VideoFrame:
    """With the colours of H.264; those of JPEG have another range."""
    context = made.codec_context
    converted = frame.reformat(context.width, context.height, _PIXELS, dst_color_range="MPEG")
    converted.pict_type = PictureType.NONE  # the encoder chooses the key frames
    return converted


def _size_of(packet: VideoPacket) -> tuple[int, int]:
    """Width and height of a key frame, which is decoded for that."""
    decoder = av.CodecContext.create(packet.format.codec, "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.thread_count = 1
    decoder.options = {"max_pixels": str(MAX_PIXELS)}
    frames = [*decoder.decode(av.Packet(packet.data)), *decoder.decode(None)]
    if not frames:
        raise Unplayable("The first picture of the clip cannot be decoded.")
    return frames[0].width, frames[0].height


def _from_zero(packets: Sequence[VideoPacket]) -> Iterator[av.Packet]:
    """With times that begin at 0 and rise. The last one lasts as long as the one before."""
    packets = packets if _has_clock(packets) else _as_they_came(packets)
    first, before, duration = packets[0].dts, -1, TICKS_PER_S // _USUAL_FPS
    for number, packet in enumerate(packets):
        if number + 1 < len(packets):
            duration = max(1, packets[number + 1].dts - packet.dts)
        made = av.Packet(packet.data)
        made.time_base = _TICK
        made.dts = before = max(before + 1, packet.dts - first)
        made.pts = max(made.dts, packet.pts - first)
        made.duration = duration
        made.is_keyframe = packet.is_key
        yield made


def _has_clock(packets: Sequence[VideoPacket]) -> bool:
    """False for a camera whose clock stands still or runs far too fast."""
    came_s = packets[-1].at_s - packets[0].at_s
    clock_s = (packets[-1].dts - packets[0].dts) / TICKS_PER_S
    return came_s < _SHORT_S or came_s / _OFF < clock_s < came_s * _OFF


def _as_they_came(packets: Sequence[VideoPacket]) -> list[VideoPacket]:
    ticks = [round((packet.at_s - packets[0].at_s) * TICKS_PER_S) for packet in packets]
    return [replace(packet, pts=at, dts=at) for packet, at in zip(packets, ticks, strict=True)]
