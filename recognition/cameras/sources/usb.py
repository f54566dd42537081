"""A camera at a USB port of this machine, by V4L2."""

from __future__ import annotations

import errno
import os
import re
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from ml_engine.types import Image
from recognition.cameras.models import Camera
from recognition.cameras.sources.base import Picture, SourceFailed
from recognition.web.errors import ServiceError

_DEVICE = re.compile(r"/dev/(video\d{1,3}|v4l/by-id/[\w.:+-]{1,200})")
# OpenCV reads this variable at its first camera: how long it waits for a frame.
_READ_LIMIT_S = "OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT"


class UsbCamera:
    """Its frames are decoded by the camera's thread as they come: the device has few buffers."""

    def check(self, camera: Camera) -> None:
        """The name of a device; whether it is there is found when it is opened, on its node."""
        if not _DEVICE.fullmatch(camera.address):
            message = "Name a device: /dev/video0, or one below /dev/v4l/by-id/."
            raise ServiceError("bad_address", message, status=400)

    def frames(self, camera: Camera, stopped: threading.Event) -> Generator[Picture, None, None]:
        with _opened(camera) as capture:
            while not stopped.is_set():
                is_read, frame = capture.read()
                if not is_read:
                    raise SourceFailed(f"{camera.address} gives no pictures any more.")
                yield partial(_rgb, np.asarray(frame, np.uint8))


@contextmanager
def _opened(camera: Camera) -> Iterator[cv2.VideoCapture]:
    _check_device(camera.address)
    os.environ.setdefault(_READ_LIMIT_S, "3")
    capture = cv2.VideoCapture(camera.address, cv2.CAP_V4L2)
    try:
        if not capture.isOpened():
            message = f"{camera.address} is used by another program, or is not a camera."
            raise SourceFailed(message)
        capture.set(cv2.CAP_PROP_FPS, camera.max_fps)
        yield capture
    finally:
        capture.release()


def _check_device(path: str) -> None:
    """SourceFailed with the reason, for OpenCV tells none."""
    if not _DEVICE.fullmatch(path):
        raise SourceFailed(f"{path!r} is not the name of a camera.", is_lasting=True)
    try:
        if Path(path).exists() and not Path(path).is_char_device():
            raise SourceFailed(f"{path} is not a device.", is_lasting=True)
        os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))
    except OSError as error:
        raise SourceFailed(_reason(path, error)) from error


def _reason(path: str, error: OSError) -> str:
    if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return f"There is no {path}. Is the camera plugged in?"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{path} may not be opened: add the user of this process to the group video."
    if error.errno == errno.EBUSY:
        return f"{path} is used by another program."
    return f"{path} cannot be opened ({error.strerror})."


def _rgb(frame: Image) -> Image:
    return np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), np.uint8)
