"""The relay between FFmpeg and an RTSP camera, against cameras that want something else."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from recognition.cameras.sources import rtsp
from recognition.cameras.sources.base import SourceFailed
from recognition.cameras.sources.network import NetworkCamera
from recognition.cameras.sources.patience import Patience
from recognition.cameras.sources.rtsp import Answers
from tests.recognition.cameras.network import local_cameras, network_camera

__all__ = ["local_cameras"]

_OK = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nPublic: DESCRIBE\r\n\r\n"


def _checked(*parts: bytes) -> bytes:
    answers = Answers("192.168.1.20")
    return b"".join(answers.checked(part) for part in parts)


def test_answer_is_written_anew_with_its_body() -> None:
    head = b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Length: 5\r\nbad line\r\n\r\n"
    wanted = b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Length: 5\r\n\r\nv=0\r\n"
    assert _checked(head + b"v=0\r\n") == wanted
    assert _checked(*(bytes([byte]) for byte in head + b"v=0\r\n")) == wanted


def test_answers_and_packets_keep_their_order() -> None:
    packet = b"$\0\0\x0cRTSP/1.0 302"
    assert _checked(packet + _OK + packet[:5], packet[5:]).count(packet) == 2


def test_only_the_camera_is_sent_packets_of_udp() -> None:
    line = b"Transport: RTP/AVP;unicast;source=10.9.9.9;server_port=1-2;destination=10.8.8.8\r\n"
    told = _checked(_OK[:-2] + line + b"\r\n")
    assert b"Transport: RTP/AVP;unicast;server_port=1-2;source=192.168.1.20\r\n" in told
    assert b"10.9.9.9" not in told


@pytest.mark.parametrize("status", [b"301 Moved", b"302 Found", b"305 Use Proxy", b"399 x"])
def test_rtsp_redirect_is_refused(status: bytes) -> None:
    with pytest.raises(SourceFailed, match="redirects") as caught:
        _checked(b"RTSP/1.0 " + status + b"\r\nLocation: rtsp://10.0.0.1/\r\n\r\n")
    assert caught.value.is_lasting


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 302 Found\r\nLocation: rtsp://10.0.0.1/\r\n\r\n",
        b"RTSP/1.0 \t302\r\n\r\n",
        b"RTSP/1.0\n302 Found\r\n\r\n",
        b"REDIRECT rtsp://10.0.0.1/ RTSP/1.0\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: 99999999\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"RTSP/1.0 200 " + b"x" * 20_000,
        bytes(range(256)),
    ],
)
def test_what_is_no_rtsp_answer_is_not_handed_over(sent: bytes) -> None:
    with pytest.raises(SourceFailed):
        _checked(sent)


def test_second_status_within_an_answer_is_left_out() -> None:
    """FFmpeg ends a line at each line feed."""
    sent = b"RTSP/1.0 200 OK\r\nServer: x\nRTSP/1.0 302 Found\nLocation: rtsp://10.0.0.1/\r\n\r\n"
    assert b"302" not in _checked(sent)


@contextmanager
def _camera(answer: bytes) -> Iterator[str]:
    """The address of a camera that answers each request with this; nothing: it is silent."""
    is_over = threading.Event()

    def serve() -> None:
        with suppress(OSError):
            link, _ = server.accept()
            with link:
                while not is_over.is_set() and link.recv(4096):
                    link.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield f"rtsp://127.0.0.1:{server.getsockname()[1]}/a"
        is_over.set()


def _failure(url: str) -> SourceFailed:
    with pytest.raises(SourceFailed) as caught:
        next(NetworkCamera().frames(network_camera(url, "ann", "s3cret"), threading.Event()))
    return caught.value


@pytest.mark.usefixtures("local_cameras")
class TestOddCameras:
    def test_redirecting_camera_leads_ffmpeg_nowhere(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            other.settimeout(1)
            location = f"rtsp://127.0.0.1:{other.getsockname()[1]}/b"
            moved = f"RTSP/1.0 302 Found\r\nCSeq: 1\r\nLocation: {location}\r\n\r\n"
            with _camera(moved.encode()) as url:
                failure = _failure(url)
            assert "redirects" in str(failure)
            assert failure.is_lasting
            with pytest.raises(TimeoutError):
                other.accept()

    def test_camera_that_says_nothing_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rtsp, "_FIRST_ANSWER_S", 0.5)
        with _camera(b"") as url:
            assert str(_failure(url)) == "It takes the connection and then says nothing."

    @pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\0" * 100, b"\r\n" * 9000])
    def test_server_of_something_else_is_told(
        self, answer: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rtsp, "TIMEOUT_S", (2.0, 2.0))
        with _camera(answer) as url:
            assert not _failure(url).is_lasting

    def test_login_longer_than_ffmpeg_takes_is_refused(self) -> None:
        camera = network_camera("rtsp://127.0.0.1/a", "ann", "é" * 60)
        with pytest.raises(SourceFailed, match="too long"):
            next(NetworkCamera().frames(camera, threading.Event()))


def test_packets_of_one_picture_are_handed_over_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cameras send tens of them for each picture, and each handing over wakes two threads."""
    monkeypatch.setattr(rtsp, "_GATHER_S", 0.2)
    handed_over: list[int] = []
    rest = Answers.rest

    def watched(answers: Answers, data: bytes) -> bytes:
        handed_over.append(len(data))
        return rest(answers, data)

    monkeypatch.setattr(Answers, "rest", watched)
    with socket.create_server(("127.0.0.1", 0)) as server:
        link = socket.create_connection(server.getsockname())
        camera, _ = server.accept()
    relay = rtsp.Relay(link, Patience(threading.Event()))
    relay.let_pass()
    with camera, socket.create_connection(("127.0.0.1", relay.port)) as ffmpeg:
        camera.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(50):
            camera.sendall(bytes(1400))
        left = 50 * 1400
        while left:
            left -= len(ffmpeg.recv(left))
    relay.close()
    assert sum(handed_over) == 50 * 1400
    assert len(handed_over) < 10
