"""Fixtures of the tests of network cameras: real servers, started once for all of them. A test file
imports those that it uses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ml_engine.types import Image
from recognition.cameras.models import Camera
from tests.recognition.cameras.sources.http_peer import HttpContent, HttpPeer
from tests.recognition.cameras.sources.rtsp_peer import (
    RtspServer,
    drawn_pictures,
    pictures_of,
    write_streams,
)
from tools.system import RTSP_SERVER

_DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
_VIDEO = "videos/short_hamilton_clip.mp4"
_SECONDS = 2


@pytest.fixture(scope="session")
def sent_pictures() -> list[Image]:
    """What the servers send: the beginning of a real video, or a drawn one in its place."""
    video = Path(os.environ.get("FACEREC_DATA", _DATA)) / _VIDEO
    return pictures_of(video, _SECONDS) if video.is_file() else drawn_pictures(_SECONDS)


@pytest.fixture(scope="session")
def rtsp_server(
    sent_pictures: list[Image], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RtspServer]:
    if not RTSP_SERVER[0].is_there():
        pytest.skip("no RTSP server: `python3 -m tools.prepare test` installs GStreamer's")
    folder = tmp_path_factory.mktemp("streams")
    write_streams(folder, sent_pictures)
    server = RtspServer(folder)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def http_content(sent_pictures: list[Image]) -> HttpContent:
    return HttpContent.of(sent_pictures * 3)


@pytest.fixture
def http_camera(http_content: HttpContent) -> Iterator[HttpPeer]:
    with HttpPeer(http_content).serving() as peer:
        yield peer


@pytest.fixture
def local_cameras(settings: Any) -> None:
    """The servers are on this machine."""
    settings.CAMERA_ALLOW_LOCAL = True


def network_camera(address: str, username: str = "", password: str = "") -> Camera:
    """Not saved."""
    return Camera(name="Door", kind="rtsp", address=address, username=username, password=password)
