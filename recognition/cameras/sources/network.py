"""Network cameras: RTSP, and HTTP with MJPEG or HLS."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator

import av

from recognition.cameras.models import Camera
from recognition.cameras.pictures import Converters, VideoPicture
from recognition.cameras.sources.addresses import SCHEMES, AddressRefused, Login, camera_url
from recognition.cameras.sources.base import Picture, SourceFailed
from recognition.cameras.sources.decoding import video_of
from recognition.cameras.sources.http_camera import opened_http
from recognition.cameras.sources.pacing import Pace
from recognition.cameras.sources.packets import PacketReader, VideoPacket
from recognition.cameras.sources.patience import Patience
from recognition.cameras.sources.reasons import CAUGHT, reason_of
from recognition.cameras.sources.rtsp import opened_rtsp
from recognition.cameras.sources.thrift import Thrift
from recognition.web.encrypted import SecretUnreadable
from recognition.web.errors import ServiceError

# Frames that come faster than this part of real time were kept by the camera; after so many seconds
# it sends in its own way.
_FASTER = 0.5
_BACKLOG_S = 5.0


class NetworkCamera:
    """Played for as long as it sends; that it ended is a failure."""

    def check(self, camera: Camera) -> None:
        """Only the form of the address: the camera may be away."""
        try:
            camera_url(camera.address)
        except AddressRefused as refused:
            raise ServiceError("invalid_address", str(refused)) from None

    def frames(
        self, camera: Camera, stopped: threading.Event
    ) -> Generator[Picture | VideoPacket, None, None]:
        patience = Patience(stopped)
        try:
            try:
                yield from _played(camera, patience, stopped, is_careful=False)
            except _Unclear:
                yield from _played(camera, patience, stopped, is_careful=True)
        except (AddressRefused, SecretUnreadable) as refused:
            raise SourceFailed(str(refused), is_lasting=True) from None
        except CAUGHT as error:
            raise patience.failure or reason_of(error) from None
        if not stopped.is_set():
            raise patience.failure or SourceFailed("It ended the stream.")


class _Unclear(Exception):
    """Opened quickly, the stream does not show its size, or the hardware cannot play it."""


def _played(
    camera: Camera, patience: Patience, stopped: threading.Event, *, is_careful: bool
) -> Iterator[Picture | VideoPacket]:
    url = camera_url(camera.address)
    login = Login(camera.username.reveal(), camera.password.reveal())
    opened = opened_rtsp if SCHEMES[url.scheme].is_rtsp else opened_http
    with opened(url, login, patience, is_careful=is_careful) as container:
        stream = video_of(container)
        if not (is_careful or stream.codec_context.width):
            raise _Unclear
        # HLS comes by the segment, and the camera's own clock says when each frame is due.
        is_due = _Paced(stopped).is_due if container.format.name == "hls" else _Backlog().is_over
        reader = PacketReader(container, stream) if camera.has_clips else None
        has_decoded, converters, thrift = False, Converters(), Thrift(camera.max_fps)
        # Of all streams: a camera that sends nothing but sound is silent, too.
        for packet in container.demux():
            if not patience.goes_on():
                return
            if reader is not None and (kept := reader.read(packet)):
                yield kept
            if not _is_decoded(packet, stream, thrift, patience):
                continue
            for frame in _decoded(packet, stream, may_be_unclear=not has_decoded):
                patience.picture_came()
                has_decoded = True
                if is_due(frame.time):
                    yield VideoPicture(frame, converters, thrift.give())


def _is_decoded(
    packet: av.Packet, stream: av.VideoStream, thrift: Thrift, patience: Patience
) -> bool:
    """Whether a packet is of the video and is wanted."""
    if packet.stream.index != stream.index:
        return False
    had_skipped = thrift.is_skipping
    if not thrift.wants(time.monotonic(), is_key=packet.is_keyframe):
        patience.picture_came()  # it would have been one
        return False
    if had_skipped:
        stream.codec_context.flush_buffers()  # what comes now refers to nothing before it
    return True


def _decoded(
    packet: av.Packet, stream: av.VideoStream, *, may_be_unclear: bool
) -> list[av.VideoFrame]:
    """Its frames. A damaged packet has none: some come from every network."""
    try:
        return stream.decode(packet)
    except av.FFmpegError:
        if may_be_unclear and stream.codec_context.is_hwaccel:
            raise _Unclear from None
        return []


class _Backlog:
    """What the camera had kept when it was opened is decoded and not recognised: these frames come
    faster than in real time."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()
        self._last: tuple[float, float] | None = None
        self._is_over = False

    def is_over(self, at_s: float | None) -> bool:
        """Whether this frame, of the camera's time `at_s`, is one of now."""
        now_s = time.monotonic()
        if at_s is None or now_s - self._began_s > _BACKLOG_S:
            self._is_over = True
        elif self._last is not None and not self._is_over:
            last_at_s, last_s = self._last
            self._is_over = now_s - last_s > (at_s - last_at_s) * _FASTER
        if at_s is not None:
            self._last = at_s, now_s
        return self._is_over


class _Paced:
    def __init__(self, stopped: threading.Event) -> None:
        self._pace = Pace(stopped)
        self._has_begun = False

    def is_due(self, at_s: float | None) -> bool:
        """Waits until this frame is due; False if it was stopped."""
        if at_s is None:
            return True
        if not self._has_begun:
            self._pace.begin(at_s)
            self._has_begun = True
        return self._pace.wait(at_s)
