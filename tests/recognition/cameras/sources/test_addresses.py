"""Addresses of network cameras."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

from recognition.cameras.sources.addresses import (
    AddressRefused,
    camera_url,
    connect,
    credentials_apart,
)
from recognition.cameras.sources.base import SourceFailed
from recognition.cameras.sources.network import NetworkCamera
from tests.recognition.cameras.network import network_camera


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("rtsp://192.168.1.20/stream1", "rtsp://192.168.1.20:554/stream1"),
        ("RTSP://Cam.LAN/a?x=1&y=2#timeout=3", "rtsp://cam.lan:554/a?x=1&y=2"),
        ("rtsps://10.0.0.5/", "rtsps://10.0.0.5:322/"),
        ("http://172.16.0.9:8080", "http://172.16.0.9:8080/"),
        ("https://[fd12::7]/live.m3u8", "https://[fd12::7]:443/live.m3u8"),
        (
            "rtsp://100.64.0.7/user=a_channel=1.sdp?real",
            "rtsp://100.64.0.7:554/user=a_channel=1.sdp?real",
        ),
        ("http://93.184.216.34/ä", "http://93.184.216.34:80/%C3%A4"),
    ],
)
def test_address_of_a_camera_is_taken_apart(text: str, whole: str) -> None:
    assert str(camera_url(text)) == whole


@pytest.mark.parametrize(
    "text",
    [
        "",
        "192.168.1.20",
        "rtsp:///a",
        "rtsp://",
        "file:///etc/passwd",
        "rtmp://192.168.1.20/a",
        "rtsp://192.168.1.20:99999/a",
        "rtsp://192.168.1.20/a b",
        "rtsp://192.168.1.20/a\nb",
        "rtsp://ann:secret@192.168.1.20/a",
        "rtsp://ann/secret@192.168.1.20/a",
        "rtsp://127.0.0.1/a",
        "http://localhost:8000/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[fe80::1%25eth0]/",
        "http://0.0.0.0/",
        "http://169.254.169.254/latest",
        "http://100.100.100.200/",
        "http://168.63.129.16/",
        "http://[fd00:ec2::254]/",
        "http://224.0.0.1/",
    ],
)
def test_address_that_no_camera_has_is_refused(text: str) -> None:
    with pytest.raises(AddressRefused) as refused:
        camera_url(text)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("answer", ["127.0.0.1", "169.254.169.254", "::1"])
def test_name_that_leads_to_this_machine_is_not_connected_to(
    answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = socket.AF_INET6 if ":" in answer else socket.AF_INET
    found = [(family, socket.SOCK_STREAM, 6, "", (answer, 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("connected"))
    with pytest.raises(AddressRefused):
        connect("camera.lan", 80)
    for scheme in ("rtsp", "http"):
        frames = NetworkCamera().frames(network_camera(f"{scheme}://cam.lan/"), threading.Event())
        with pytest.raises(SourceFailed, match="CAMERA_ALLOW_LOCAL") as caught:
            next(frames)
        assert caught.value.is_lasting


def test_setting_allows_cameras_on_this_machine(settings: Any) -> None:
    settings.CAMERA_ALLOW_LOCAL = True
    with socket.create_server(("127.0.0.1", 0)) as server:
        connect("127.0.0.1", server.getsockname()[1]).close()


def test_unknown_host_is_told_in_words() -> None:
    camera = network_camera("rtsp://no-such-camera.invalid/a")
    with pytest.raises(SourceFailed, match="no address of its host"):
        next(NetworkCamera().frames(camera, threading.Event()))


@pytest.mark.parametrize(
    ("address", "apart"),
    [
        ("rtsp://10.0.0.5/a", ("rtsp://10.0.0.5/a", "", "")),
        ("rtsp://ann:secret@10.0.0.5/a", ("rtsp://10.0.0.5/a", "ann", "secret")),
        ("rtsp://ann@10.0.0.5:554", ("rtsp://10.0.0.5:554", "ann", "")),
        ("http://a%40b:c%2Fd:e@cam/?x@y", ("http://cam/?x@y", "a@b", "c/d:e")),
        ("rtsp://ann:p@ss@10.0.0.5/a", ("rtsp://10.0.0.5/a", "ann", "p@ss")),
        ("hall@night.mp4", ("hall@night.mp4", "", "")),
    ],
)
def test_credentials_of_an_address_are_split_off(address: str, apart: tuple[str, str, str]) -> None:
    assert credentials_apart(address) == apart
