"""USB cameras over a fake capture: no test machine has a device."""

from __future__ import annotations

import errno
import re
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from recognition.cameras.models import Camera
from recognition.cameras.sources import usb
from recognition.cameras.sources.base import SourceFailed
from recognition.cameras.sources.usb import UsbCamera
from recognition.web.errors import ServiceError

DEVICE = "/dev/video7"


class FakeCapture:
    """Gives three frames and then none, like a camera that is unplugged."""

    made: list[FakeCapture] = []

    def __init__(self, path: str, backend: int) -> None:
        assert (path, backend) == (DEVICE, cv2.CAP_V4L2)
        self.left, self.is_released = 3, False
        self.values: dict[int, float] = {}
        self.made.append(self)

    def isOpened(self) -> bool:
        return True

    def set(self, name: int, value: float) -> None:
        self.values[name] = value

    def read(self) -> tuple[bool, Any]:
        self.left -= 1
        blue = np.zeros((48, 64, 3), np.uint8)
        blue[..., 0] = 200
        return (True, blue) if self.left >= 0 else (False, None)

    def release(self) -> None:
        self.is_released = True


class BusyCapture(FakeCapture):
    def isOpened(self) -> bool:
        return False


@pytest.fixture
def capture(monkeypatch: pytest.MonkeyPatch) -> type[FakeCapture]:
    FakeCapture.made = []
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    monkeypatch.setattr(usb, "_check_device", lambda path: None)
    return FakeCapture


def _camera(address: str = DEVICE) -> Camera:
    return Camera(kind="usb", address=address, max_fps=10)


def test_frames_come_as_rgb_until_the_camera_is_unplugged(capture: type[FakeCapture]) -> None:
    pictures = []
    with pytest.raises(SourceFailed, match="no pictures any more"):
        for picture in UsbCamera().frames(_camera(), threading.Event()):
            assert callable(picture)
            pictures.append(picture())
    assert [picture[0, 0].tolist() for picture in pictures] == [[0, 0, 200]] * 3
    (made,) = capture.made
    assert made.is_released
    assert made.values == {cv2.CAP_PROP_FPS: 10}


def test_device_is_released_when_the_camera_is_stopped(capture: type[FakeCapture]) -> None:
    with closing(UsbCamera().frames(_camera(), threading.Event())) as frames:
        next(frames)
    assert capture.made[0].is_released


def test_device_of_another_program_is_told_as_such(
    capture: type[FakeCapture], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", BusyCapture)
    with pytest.raises(SourceFailed, match="used by another program"):
        next(UsbCamera().frames(_camera(), threading.Event()))
    assert capture.made[0].is_released


def test_device_that_is_not_there_is_told_as_such() -> None:
    with pytest.raises(SourceFailed, match="plugged in"):
        next(UsbCamera().frames(_camera("/dev/video987"), threading.Event()))


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (errno.EACCES, "group video"),
        (errno.EBUSY, "another program"),
        (errno.EIO, "cannot be opened"),
    ],
)
def test_reason_why_a_device_cannot_be_opened_is_told(code: int, told: str) -> None:
    assert told in usb._reason(DEVICE, OSError(code, "input/output error"))


def test_file_in_place_of_a_device_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(usb, "_DEVICE", re.compile(".*"))
    with pytest.raises(SourceFailed, match="not a device"):
        next(UsbCamera().frames(_camera(str(tmp_path)), threading.Event()))


@pytest.mark.parametrize(
    "address",
    ["", "0", "video0", "/dev/video", "/dev/video0/..", "/dev/sda", "/dev/v4l/by-id/../../sda",
     "/dev/v4l/by-id/", "/dev/video0\n", "rtsp://camera"],
)  # fmt: skip
def test_address_that_is_no_camera_is_refused(address: str) -> None:
    with pytest.raises(ServiceError) as refused:
        UsbCamera().check(_camera(address))
    assert refused.value.code == "bad_address"
    with pytest.raises(SourceFailed):
        next(UsbCamera().frames(_camera(address), threading.Event()))


@pytest.mark.parametrize(
    "address", ["/dev/video0", "/dev/v4l/by-id/usb-046d_HD_Pro_Webcam_C920-video-index0"]
)
def test_device_of_a_camera_is_accepted(address: str) -> None:
    UsbCamera().check(_camera(address))
