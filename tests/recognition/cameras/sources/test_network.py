"""Network cameras against real servers: what they give, and what is said if they give nothing."""

from __future__ import annotations

import io
import logging
import resource
import threading
import traceback
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.container import InputContainer

from ml_engine.types import Float32, Image
from recognition.cameras.models import Camera
from recognition.cameras.sources import http_camera as http_module
from recognition.cameras.sources import network, patience
from recognition.cameras.sources.base import Picture, SourceFailed
from recognition.cameras.sources.network import NetworkCamera
from recognition.cameras.sources.packets import VideoPacket
from recognition.cameras.sources.thrift import Thrift
from tests.recognition.cameras.network import (
    http_camera,
    http_content,
    local_cameras,
    network_camera,
    rtsp_server,
    sent_pictures,
)
from tests.recognition.cameras.sources.http_peer import PASSWORD, USER, HttpContent, HttpPeer
from tests.recognition.cameras.sources.rtsp_peer import SIZE, RtspServer
from tests.recognition.cameras.sources.tls import tls_in_front_of, tls_of_a_camera

__all__ = ["http_camera", "http_content", "local_cameras", "rtsp_server", "sent_pictures"]
pytestmark = pytest.mark.usefixtures("local_cameras")

# Memory that a decoder of 20,000 x 20,000 pixels would pass at once.
_MOST_GROWTH_MB = 300


def _pictures(camera: Camera, count: int) -> list[Image]:
    stopped = threading.Event()
    with closing(NetworkCamera().frames(camera, stopped)) as frames:
        return [_image(picture) for picture in islice(frames, count)]


def _image(picture: Picture | VideoPacket) -> Image:
    assert callable(picture)
    return picture()


def _failure(camera: Camera) -> SourceFailed:
    """Play a camera until it fails; returns the failure."""
    with pytest.raises(SourceFailed) as caught:
        for _ in NetworkCamera().frames(camera, threading.Event()):
            pass
    return caught.value


def _difference(pictures: list[Image], sent: list[Image]) -> float:
    """How far the worst picture is from the most similar one that was sent, in levels of 255."""
    known = np.stack([_small(picture) for picture in sent])
    return max(float(np.abs(known - _small(one)).mean((1, 2, 3)).min()) for one in pictures)


def _small(picture: Image) -> Float32:
    return cv2.resize(picture, (32, 18), interpolation=cv2.INTER_AREA).astype(np.float32)


@pytest.mark.parametrize("mount", ["h264", "h265", "mjpeg", "h264-udp", "mjpeg-udp"])
def test_rtsp_camera_gives_the_pictures_that_are_sent(
    rtsp_server: RtspServer, sent_pictures: list[Image], mount: str
) -> None:
    pictures = _pictures(network_camera(rtsp_server.url(mount)), 10)
    assert [picture.shape for picture in pictures] == [(SIZE[1], SIZE[0], 3)] * 10
    assert _difference(pictures, sent_pictures) < 5


def test_rtsp_camera_with_digest_is_played_with_its_password(rtsp_server: RtspServer) -> None:
    url = rtsp_server.url("h264", has_password=True)
    assert len(_pictures(network_camera(url, USER, PASSWORD), 2)) == 2


@pytest.mark.parametrize("login", [("", ""), (USER, "a-wrong-s3cret"), ("no", PASSWORD)])
def test_refused_rtsp_password_is_told_and_stays_secret(
    rtsp_server: RtspServer,
    login: tuple[str, str],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    failure = _failure(network_camera(rtsp_server.url("h264", has_password=True), *login))
    assert (str(failure), failure.is_lasting) == (
        "It asks for another user name or password (401).",
        True,
    )
    told = "".join([*traceback.format_exception(failure), caplog.text, *capfd.readouterr()])
    assert not login[1] or login[1] not in told


def test_rtsp_path_that_is_not_there_is_told(rtsp_server: RtspServer) -> None:
    failure = _failure(network_camera(rtsp_server.url("nothing")))
    assert (str(failure), failure.is_lasting) == ("It has no stream of this path (404).", True)


def test_end_of_an_rtsp_stream_is_a_failure_that_passes(rtsp_server: RtspServer) -> None:
    failure = _failure(network_camera(rtsp_server.url("once")))
    assert not failure.is_lasting


@pytest.mark.parametrize("mount", ["h264", "h264-udp"])
def test_killed_rtsp_camera_is_a_failure_until_it_is_back(
    rtsp_server: RtspServer, mount: str
) -> None:
    camera = network_camera(rtsp_server.url(mount))
    frames = NetworkCamera().frames(camera, threading.Event())
    next(frames)
    rtsp_server.stop()
    with pytest.raises(SourceFailed) as caught:
        for _ in frames:
            pass
    assert not caught.value.is_lasting
    assert str(_failure(camera)) == "It refuses the connection."
    rtsp_server.start()
    assert len(_pictures(camera, 2)) == 2


@pytest.mark.parametrize("mount", ["h264", "h264-udp"])
def test_frozen_rtsp_camera_is_a_failure_until_it_goes_on(
    rtsp_server: RtspServer, mount: str
) -> None:
    camera = network_camera(rtsp_server.url(mount))
    frames = NetworkCamera().frames(camera, threading.Event())
    next(frames)
    rtsp_server.freeze()
    try:
        with pytest.raises(SourceFailed) as caught:
            for _ in frames:
                pass
    finally:
        rtsp_server.go_on()
    assert not caught.value.is_lasting
    assert len(_pictures(camera, 2)) == 2


def test_stopped_network_camera_ends_without_a_failure(rtsp_server: RtspServer) -> None:
    stopped = threading.Event()
    frames = NetworkCamera().frames(network_camera(rtsp_server.url("h264")), stopped)
    next(frames)
    stopped.set()
    assert list(frames) == []
    assert "rtsp-relay" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize("mount", ["mjpeg", "live.m3u8"])
def test_http_camera_gives_the_pictures_that_are_sent(
    http_camera: HttpPeer, sent_pictures: list[Image], mount: str
) -> None:
    pictures = _pictures(network_camera(http_camera.url(mount)), 40)
    assert {picture.shape for picture in pictures} == {(SIZE[1], SIZE[0], 3)}
    assert _difference(pictures, sent_pictures) < 5


def test_camera_of_single_pictures_is_asked_again_and_again(
    http_camera: HttpPeer, sent_pictures: list[Image]
) -> None:
    pictures = _pictures(network_camera(http_camera.url("picture")), 6)
    assert _difference(pictures, sent_pictures) < 5
    assert len({picture.tobytes() for picture in pictures}) == len(pictures)
    # Two of these answers said that the camera is busy, and one picture came while it was opened.
    assert http_camera.asked.count("picture") == len(pictures) + 3


def test_camera_whose_single_pictures_end_is_a_failure(
    http_camera: HttpPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "SILENCE_S", 2.0)
    assert "No picture came" in str(_failure(network_camera(http_camera.url("once"))))


@pytest.mark.parametrize("mount", ["basic", "digest"])
def test_http_camera_is_played_with_its_password(http_camera: HttpPeer, mount: str) -> None:
    url = http_camera.url(mount)
    assert len(_pictures(network_camera(url, USER, PASSWORD), 2)) == 2
    failure = _failure(network_camera(url, USER, "wrong"))
    assert "401" in str(failure)
    assert failure.is_lasting


@pytest.mark.parametrize(
    ("mount", "told", "is_lasting"),
    [
        ("nothing", "It has no stream of this path (404).", True),
        ("forbidden", "This user may not see the stream (403).", True),
        ("broken", "It answers with an error of its own.", False),
        ("few", "It ended the stream.", False),
        ("endless401", "It asks for another user name or password (401).", True),
    ],
)
def test_http_camera_that_gives_no_stream_says_why(
    http_camera: HttpPeer, mount: str, told: str, is_lasting: bool
) -> None:
    failure = _failure(network_camera(http_camera.url(mount), USER, "x"))
    assert (str(failure), failure.is_lasting) == (told, is_lasting)


@pytest.mark.parametrize("mount", ["garbage", "silent", "trickle"])
def test_http_camera_without_a_picture_is_given_up(
    http_camera: HttpPeer, mount: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "SILENCE_S", 2.0)
    monkeypatch.setattr(patience, "MOST_MB", 4)
    assert not _failure(network_camera(http_camera.url(mount))).is_lasting


def test_http_camera_whose_headers_never_end_is_given_up(
    http_camera: HttpPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_module, "SILENCE_S", 1.0)
    assert not _failure(network_camera(http_camera.url("drips"))).is_lasting


def test_address_of_an_odd_http_camera_is_not_logged(
    http_camera: HttpPeer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "SILENCE_S", 2.0)
    _failure(network_camera(http_camera.url("odd?pwd=hidden")))
    assert "odd" in http_camera.asked
    assert "hidden" not in caplog.text


def test_pictures_too_large_to_decode_take_no_memory(
    rtsp_server: RtspServer, http_camera: HttpPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "SILENCE_S", 2.0)
    before = _peak_mb()
    for url in (rtsp_server.url("huge"), http_camera.url("huge")):
        _failure(network_camera(url))
    assert _peak_mb() - before < _MOST_GROWTH_MB


def test_redirect_of_an_http_camera_stays_at_its_own_host(http_camera: HttpPeer) -> None:
    with HttpPeer(None).serving() as other:
        http_camera.redirects = {"own": "/mjpeg", "away": other.url("mjpeg"), "round": "/round"}
        assert len(_pictures(network_camera(http_camera.url("own")), 2)) == 2
        for path in ("away", "round"):
            assert _failure(network_camera(http_camera.url(path))).is_lasting
        assert other.asked == []


@pytest.mark.parametrize(
    "line",
    [
        "{other}",
        '#EXT-X-MAP:URI="{other}"\n0.ts',
        '#EXT-X-KEY:METHOD=AES-128,URI="{other}"\n0.ts',
        "redirected.ts",
        "file:///etc/hostname",
        "data:video/mp2t;base64,R0lG",
        "concat:{other}|0.ts",
        "rtsp://127.0.0.1:{port}/0.ts",
    ],
)
def test_playlist_that_leaves_the_host_is_refused(
    http_camera: HttpPeer, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "SILENCE_S", 2.0)
    monkeypatch.setattr(http_module, "_TIMEOUT_S", (2.0, 2.0))
    with HttpPeer(None).serving() as other:
        line = line.format(other=other.url("0.ts"), port=other.port)
        tag, _, name = line.rpartition("\n")
        entry = "\n".join(filter(None, [tag, "#EXTINF:1.0,", name]))
        head = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:1\n#EXTINF:1.0,\n1.ts\n"
        http_camera.pages = {"bad.m3u8": f"{head}{entry}\n"}
        http_camera.redirects = {"redirected.ts": other.url("0.ts")}
        failure = _failure(network_camera(http_camera.url("bad.m3u8")))
        assert other.asked == []
        # FFmpeg itself leaves out what is not HTTP.
        assert failure.is_lasting == (not line.startswith(("file", "data", "concat", "rtsp")))


def test_variant_of_a_playlist_at_another_host_is_refused(http_camera: HttpPeer) -> None:
    with HttpPeer(None).serving() as other:
        url = other.url("live.m3u8")
        http_camera.pages = {"a.m3u8": f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{url}\n"}
        assert _failure(network_camera(http_camera.url("a.m3u8"))).is_lasting
        assert other.asked == []


class TestTls:
    """Cameras with a certificate that they made themselves."""

    @pytest.fixture
    def https_camera(self, http_content: HttpContent, tmp_path: Path) -> Iterator[HttpPeer]:
        with HttpPeer(http_content, tls_of_a_camera(tmp_path)).serving() as peer:
            yield peer

    def test_cameras_over_tls_are_played(
        self, https_camera: HttpPeer, rtsp_server: RtspServer, tmp_path: Path
    ) -> None:
        assert len(_pictures(network_camera(https_camera.url("mjpeg")), 2)) == 2
        with tls_in_front_of(rtsp_server.url("h264"), tls_of_a_camera(tmp_path)) as url:
            assert url.startswith("rtsps://")
            assert len(_pictures(network_camera(url), 10)) == 10

    def test_certificates_are_checked_if_the_setting_says_so(
        self, https_camera: HttpPeer, tmp_path: Path, settings: Any
    ) -> None:
        settings.CAMERA_VERIFY_TLS = True
        told = "There is no secure connection to it."
        assert str(_failure(network_camera(https_camera.url("mjpeg")))) == told
        with tls_in_front_of("rtsp://127.0.0.1:9/a", tls_of_a_camera(tmp_path)) as url:
            assert str(_failure(network_camera(url))) == told


def test_stream_without_a_size_is_opened_with_more_care(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    @contextmanager
    def opened(*_: object, is_careful: bool) -> Iterator[Any]:
        asked.append(is_careful)
        yield SimpleNamespace(format=SimpleNamespace(name="rtsp"), demux=lambda: iter(()))

    unknown = SimpleNamespace(index=0, codec_context=SimpleNamespace(width=0))
    monkeypatch.setattr(network, "opened_rtsp", opened)
    monkeypatch.setattr(network, "video_of", lambda _: unknown)
    assert str(_failure(network_camera("rtsp://192.168.1.20/a"))) == "It ended the stream."
    assert asked == [False, True]


class _Sixes(Thrift):
    """Decodes six pictures of each group."""

    _number = 0

    def wants(self, now_s: float, *, is_key: bool) -> bool:
        self._number = 0 if is_key else self._number + 1
        self.is_skipping = self._number >= 6
        return not self.is_skipping


def test_end_of_a_group_that_is_left_out_spoils_no_other_picture(
    monkeypatch: pytest.MonkeyPatch, sent_pictures: list[Image]
) -> None:
    video = _video(sent_pictures[:30], group=10)

    @contextmanager
    def opened(*_: object, is_careful: bool) -> Iterator[InputContainer]:
        with av.open(io.BytesIO(video), "r") as container:
            yield container

    monkeypatch.setattr(network, "opened_rtsp", opened)
    monkeypatch.setattr(network._Backlog, "is_over", lambda *_: True)
    camera = network_camera("rtsp://192.168.1.20/a")
    whole = _pictures(camera, 30)
    monkeypatch.setattr(network, "Thrift", _Sixes)
    part = _pictures(camera, 18)
    assert len(whole) == 30
    expected = [picture for number, picture in enumerate(whole) if number % 10 < 6]
    np.testing.assert_array_equal(part, expected)


def _video(pictures: list[Image], *, group: int) -> bytes:
    """H.264 with a key frame every `group` pictures."""
    file = io.BytesIO()
    height, width = pictures[0].shape[:2]
    with av.open(file, "w", format="matroska") as container:
        stream = container.add_stream("libx264", rate=10, options={"tune": "zerolatency"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.gop_size = group
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return file.getvalue()


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
