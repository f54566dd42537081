"""The packets of real cameras: a clip of them is complete and plays in real time."""

from __future__ import annotations

import io
import threading
import time
from contextlib import closing
from uuid import uuid4

import av
import pytest

from recognition.cameras.models import Camera
from recognition.cameras.mp4 import mp4_of
from recognition.cameras.sources.network import NetworkCamera
from recognition.cameras.sources.packets import PacketReader, VideoPacket
from recognition.cameras.sources.tape import Cut, Tape
from tests.recognition.cameras.network import (
    http_camera,
    http_content,
    local_cameras,
    network_camera,
    rtsp_server,
    sent_pictures,
)
from tests.recognition.cameras.sources.http_peer import HttpPeer
from tests.recognition.cameras.sources.rtsp_peer import SIZE, RtspServer
from tests.recognition.clips import Played, played, video_packets

__all__ = ["http_camera", "http_content", "local_cameras", "rtsp_server", "sent_pictures"]
pytestmark = pytest.mark.usefixtures("local_cameras")

_PLAYED_S = 4.0


def _clip(camera: Camera) -> Played:
    """Of a visit that began two seconds ago, with one second before it."""
    camera.clip_after_s = 10
    cuts: list[Cut] = []
    tape = Tape(1, 10, cuts.append)
    end_s = time.monotonic() + _PLAYED_S
    with closing(NetworkCamera().frames(camera, threading.Event())) as frames:
        for frame in frames:
            if isinstance(frame, VideoPacket):
                tape.add(frame)
            if time.monotonic() > end_s:
                break
    tape.want(uuid4(), time.time() - 2)
    tape.close()
    (cut,) = cuts
    return played(mp4_of(cut.packets).content)


@pytest.mark.parametrize(
    ("mount", "codec"),
    [("h264.mkv", "h264"), ("h265.mkv", "hevc"), ("mjpeg.mkv", "mjpeg")],
)
def test_clip_of_an_rtsp_camera_is_decoded_whole(
    rtsp_server: RtspServer, mount: str, codec: str
) -> None:
    shown = _clip(network_camera(rtsp_server.url(mount)))
    assert (shown.codec, shown.size, shown.begins_with_key) == (codec, SIZE, True)
    assert shown.times_s[0] == 0
    # Up to one group more, or to the beginning of the stream.
    assert 2.5 < shown.times_s[-1] < 4.3
    assert len(shown.times_s) > 60


@pytest.mark.parametrize("path", ["mjpeg", "live.m3u8"])
def test_clip_of_an_http_camera_plays_in_real_time(http_camera: HttpPeer, path: str) -> None:
    shown = _clip(network_camera(http_camera.url(path)))
    assert shown.times_s[0] == 0
    assert 1.5 < shown.times_s[-1] < 5
    assert shown.begins_with_key


def test_damaged_packet_is_left_out_of_clips() -> None:
    """Of a camera that sends the length of each unit: FFmpeg's filter fails at a wrong one."""
    file = io.BytesIO(mp4_of(video_packets("h264", seconds=1)).content)
    with av.open(file, "r") as container:
        reader = PacketReader(container, container.streams.video[0])
        first, second, *_ = container.demux()
        assert reader.read(first)
        damaged = av.Packet(b"\xff\xff\xff\xff\x41")
        assert reader.read(damaged) is None
        assert reader.read(second)


def test_camera_without_clips_gives_no_packets(rtsp_server: RtspServer) -> None:
    camera = network_camera(rtsp_server.url("h264"))
    with closing(NetworkCamera().frames(camera, threading.Event())) as frames:
        assert not any(isinstance(next(frames), VideoPacket) for _ in range(10))
