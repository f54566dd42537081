"""The RTSP server of the tests as a process, and the streams that it sends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from ml_engine.images import encode_jpeg
from ml_engine.types import Image
from tests.fakes import portrait
from tools.system import SYSTEM_PYTHON

_SCRIPT = Path(__file__).parent / "peers" / "rtsp_server.py"
FPS = 25
SIZE = (640, 360)
PERSON = 11
_READY_WITHIN_S = 20.0
_ENCODERS = {"h264": "libx264", "people": "libx264", "h265": "libx265"}


class RtspServer:
    """`stop` and `start` again: it comes back at the same ports."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = _free_ports(2)
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, mount: str, *, has_password: bool = False) -> str:
        return f"rtsp://127.0.0.1:{self._ports[has_password]}/{mount}"

    def start(self) -> None:
        command = [SYSTEM_PYTHON, str(_SCRIPT), str(self._folder), *map(str, self._ports)]
        self._process = subprocess.Popen(command)
        deadline = time.monotonic() + _READY_WITHIN_S
        for port in self._ports:
            while not _listens(port):
                assert self._process.poll() is None, "the RTSP server did not start"
                assert time.monotonic() < deadline, "the RTSP server does not listen"
                time.sleep(0.05)

    def stop(self) -> None:
        """End it at once, as if its power were cut."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        with suppress(ProcessLookupError):
            os.kill(self._process.pid, number)


def write_streams(folder: Path, pictures: Sequence[Image]) -> None:
    """`h264`, `h265` and `mjpeg` of these pictures, `people` of a drawn person, and `huge`, which
    says that its pictures have 20,000 x 20,000 pixels."""
    for name in ("h264", "h265"):
        _write(folder / name, _encoded(name, pictures))
    _write(folder / "mjpeg", (encode_jpeg(picture, 80) for picture in pictures))
    drawn = portrait(PERSON, size=120, looks=1)
    person = drawn[: drawn.shape[0] // 2 * 2, : drawn.shape[1] // 2 * 2]
    _write(folder / "people", _encoded("people", [person] * 2 * FPS))
    _write(folder / "huge", (huge_h264(data) for data in _encoded("h264", pictures[:FPS])))


def pictures_of(video: Path, seconds: float) -> list[Image]:
    """The beginning of a video, as pictures of `SIZE`."""
    found: list[Image] = []
    with av.open(str(video)) as container:
        for frame in container.decode(video=0):
            if len(found) >= seconds * FPS:
                break
            image = frame.to_ndarray(format="rgb24")
            found.append(np.asarray(cv2.resize(image, SIZE), np.uint8))
    return found


def drawn_pictures(seconds: float) -> list[Image]:
    """In place of a video: a bar that moves over a grey wall."""
    found = []
    for number in range(round(seconds * FPS)):
        picture = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
        picture[:, number * 4 : number * 4 + 40] = (200, 60, 20)
        found.append(picture)
    return found


def huge_h264(data: bytes) -> bytes:
    """An encoded picture with a sequence parameter set of 20,000 x 20,000 pixels in place of its
    own."""
    units = data.split(b"\0\0\0\1")[1:]
    return b"".join(
        b"\0\0\0\1" + (_HUGE_SPS if unit[0] & 31 == 7 else unit) for unit in units if unit
    )


def _sps(side_px: int) -> bytes:
    """A sequence parameter set of H.264 (7.3.2.1.1 of its standard), Baseline, for a square."""

    def ue(value: int) -> str:
        binary = f"{value + 1:b}"
        return "0" * (len(binary) - 1) + binary

    blocks = side_px // 16 - 1
    # Set 0; numbers of 4 bits; order by number 0; one reference; width and height in blocks; whole
    # frames; no cropping; no more about it; the end.
    bits = (
        ue(0) + ue(0) + ue(2) + ue(1) + "0" + ue(blocks) + ue(blocks) + "1" + "0" + "0" + "0" + "1"
    )
    bits += "0" * (-len(bits) % 8)
    return b"\x67\x42\xc0\x3e" + int(bits, 2).to_bytes(len(bits) // 8, "big")


_HUGE_SPS = _sps(20_000)


def _encoded(name: str, pictures: Sequence[Image]) -> Iterator[bytes]:
    encoder: Any = av.CodecContext.create(_ENCODERS[name], "w")
    encoder.height, encoder.width = pictures[0].shape[:2]
    encoder.pix_fmt, encoder.framerate, encoder.gop_size = "yuv420p", FPS, FPS
    # GStreamer sends the first slice of a picture only.
    own = {"x264-params": "bframes=0:slices=1:sliced-threads=0"}
    if name == "h265":
        own = {"x265-params": "bframes=0:log-level=error"}
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", **own}
    for number, picture in enumerate([*pictures, None]):
        frame = None
        if picture is not None:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = number
        for packet in encoder.encode(frame):
            yield bytes(packet)


def _write(folder: Path, units: Iterator[bytes]) -> None:
    folder.mkdir(parents=True)
    for number, unit in enumerate(units):
        (folder / f"{number:05d}").write_bytes(unit)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_ports(count: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports
