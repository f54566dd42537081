"""An RTSP server of many cameras, by GStreamer, for the Python of the system.

    /usr/bin/python3 rtsp_server.py PORT FPS SENSOR_FPS NAME=FOLDER…

Each folder has the encoded pictures of a stream, one file each, which are sent over and over. The
mount `sensor` sends what comes in from `sensor.py`.
"""

from __future__ import annotations

import itertools
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

CAPS = "video/x-h264,stream-format=byte-stream,alignment=au,framerate={fps}/1"
PAYLOADER = "rtph264pay name=pay0 pt=96 config-interval=1"
# A picture with the parameters of the stream, from which a client can begin.
PARAMETERS = 7


def factory_of(source: str) -> GstRtspServer.RTSPMediaFactory:
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(f"( {source} ! {PAYLOADER} )")
    factory.set_shared(True)
    factory.set_latency(0)
    return factory


class Live:
    """One encoded picture after the other, for whoever watches now; others are lost."""

    def __init__(self, fps: str) -> None:
        caps = CAPS.format(fps=fps)
        self.factory = factory_of(
            f'appsrc name=pictures is-live=true do-timestamp=true format=time caps="{caps}"'
        )
        self.factory.connect("media-configure", self._configured)
        self._source: Any = None
        self._has_begun = False
        self.is_new = False  # its first client waits for a key frame

    def show(self, picture: bytes) -> None:
        self._has_begun |= picture[4] & 31 == PARAMETERS
        if self._source is not None and self._has_begun:
            self._source.emit("push-buffer", Gst.Buffer.new_wrapped(picture))

    def _configured(self, factory: object, media: GstRtspServer.RTSPMedia) -> None:
        self._has_begun, self.is_new = False, True
        self._source = media.get_element().get_by_name("pictures")


def play(live: Live, pictures: Sequence[bytes], fps: float) -> None:
    """For ever, in real time, and from the first picture on for a first client. (`multifilesrc`
    sends as fast as it is read.)"""
    began_s, first = time.monotonic(), 0
    for number in itertools.count():
        time.sleep(max(0.0, began_s + number / fps - time.monotonic()))
        if live.is_new:
            live.is_new, first = False, number
        live.show(pictures[(number - first) % len(pictures)])


def show_sensor(live: Live) -> None:
    """Pictures from the standard input, each after its length in four bytes."""
    read = sys.stdin.buffer.read
    while size := read(4):
        live.show(read(int.from_bytes(size, "big")))


def begin(work: Callable[..., None], *arguments: object) -> None:
    threading.Thread(target=work, args=arguments, daemon=True).start()


def main(port: str, fps: str, sensor_fps: str, *streams: str) -> None:
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    # By default all clients share a thread, which waits for the first picture of a new mount.
    server.get_thread_pool().set_max_threads(-1)
    mounts = server.get_mount_points()
    for stream in streams:
        name, _, folder = stream.partition("=")
        live = Live(fps)
        mounts.add_factory(f"/{name}", live.factory)
        begin(
            play, live, [path.read_bytes() for path in sorted(Path(folder).iterdir())], float(fps)
        )
    sensor = Live(sensor_fps)
    mounts.add_factory("/sensor", sensor.factory)
    begin(show_sensor, sensor)
    server.attach(None)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main(*sys.argv[1:])
