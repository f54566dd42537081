"""The packets of a camera as it sent them, for clips."""

from __future__ import annotations

import time
from dataclasses import dataclass

import av
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer

# All times of packets are in ticks of this length, the clock of RTP.
TICKS_PER_S = 90_000
CODECS = frozenset({"h264", "hevc", "mjpeg", "mpeg4"})
# FFmpeg makes up the times of these formats: the camera sends none.
_WITHOUT_CLOCK = frozenset({"mpjpeg", "mjpeg"})
_IN_LENGTHS = b"\1"  # the first byte of the extra data, if units begin with their length
_START = b"\0\0\1"
# The bits of a unit's first byte that give its type, and the types of parameter sets.
_SETS = {"h264": (0, 0x1F, {7, 8}), "hevc": (1, 0x3F, {32, 33, 34})}


@dataclass(frozen=True, slots=True)
class VideoFormat:
    """Packets of different formats must not be in one file."""

    codec: str
    parameter_sets: bytes


@dataclass(frozen=True, slots=True)
class VideoPacket:
    """One encoded picture. A key frame begins with the parameter sets of its format.

    pts, dts: in ticks of the camera's clock. at_s: when it came, as by `time.time`.
    """

    data: bytes
    pts: int
    dts: int
    is_key: bool
    at_s: float
    format: VideoFormat


class PacketReader:
    """Reads the packets of one opened stream, before they are decoded."""

    def __init__(self, container: InputContainer, stream: av.VideoStream) -> None:
        self._index = stream.index
        self._codec = stream.codec_context.name
        self._has_clock = container.format.name not in _WITHOUT_CLOCK
        self._format = VideoFormat(self._codec, b"")
        self._extra = stream.codec_context.extradata or b""
        self._to_start_codes: BitStreamFilterContext | None = None
        if self._codec in _SETS and self._extra.startswith(_IN_LENGTHS):
            self._to_start_codes = BitStreamFilterContext(f"{self._codec}_mp4toannexb", stream)
            self._extra = b""  # the filter puts it in front of key frames

    def read(self, packet: av.Packet) -> VideoPacket | None:
        """None for a packet that has no place in a clip: damaged, of sound, or of another codec."""
        if packet.stream_index != self._index or self._codec not in CODECS:
            return None
        try:
            data = self._with_start_codes(bytes(packet))
        except av.FFmpegError:
            return None
        if not data:
            return None
        if packet.is_keyframe:
            data = self._with_parameter_sets(data)
        at_s = time.time()
        pts, dts = self._times(packet, at_s)
        is_key = packet.is_keyframe and self._is_complete()
        return VideoPacket(data, pts, dts, is_key, at_s, self._format)

    def _with_start_codes(self, data: bytes) -> bytes:
        if self._to_start_codes is None:
            return data
        # A copy: the filter empties the packet that it is given.
        return b"".join(bytes(one) for one in self._to_start_codes.filter(av.Packet(data)))

    def _with_parameter_sets(self, data: bytes) -> bytes:
        """Some cameras send them only once, apart from the video."""
        found = parameter_sets(self._codec, data)
        if not found and self._extra not in data:
            data = self._extra + data
        if found or self._extra:
            self._format = VideoFormat(self._codec, found or self._extra)
        return data

    def _is_complete(self) -> bool:
        return self._codec not in _SETS or bool(self._format.parameter_sets)

    def _times(self, packet: av.Packet, at_s: float) -> tuple[int, int]:
        pts, dts = packet.pts, packet.dts
        if not self._has_clock or (pts is None and dts is None):
            now = round(at_s * TICKS_PER_S)
            return now, now
        ticks = packet.time_base * TICKS_PER_S
        pts, dts = (pts if pts is not None else dts), (dts if dts is not None else pts)
        return round((pts or 0) * ticks), round((dts or 0) * ticks)


def parameter_sets(codec: str, data: bytes) -> bytes:
    """The units of a key frame that hold the parameters of the stream; empty if it has none."""
    if codec not in _SETS:
        return b""
    shift, mask, wanted = _SETS[codec]
    units = [unit for unit in data.split(_START)[1:] if unit]
    found = [unit.rstrip(b"\0") for unit in units if unit[0] >> shift & mask in wanted]
    return b"".join(b"\0" + _START + unit for unit in found)
