"""An RTSP server of many cameras, by GStreamer, for the Python of the system.

    /usr/bin/python3 rtsp_server.py PORT FPS SENSOR_FPS NAME=FOLDER…

Each folder has the encoded pictures of a stream, one file each, which are sent over and over. The
mount `sensor` sends what comes in from `sensor.py`.
"""

from __future__ import annotations

import sys
import threading
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


def looping(folder: str, fps: str) -> GstRtspServer.RTSPMediaFactory:
    caps = CAPS.format(fps=fps)
    return factory_of(f'multifilesrc location="{folder}/%05d" loop=true caps="{caps}"')


class Sensor:
    """What comes in, for whoever watches it now."""

    def __init__(self, fps: str) -> None:
        caps = CAPS.format(fps=fps)
        self.factory = factory_of(
            f'appsrc name=sensor is-live=true do-timestamp=true format=time caps="{caps}"'
        )
        self.factory.connect("media-configure", self._configured)
        self._source: Any = None
        self._has_begun = False
        threading.Thread(target=self._read, daemon=True).start()

    def _configured(self, factory: object, media: GstRtspServer.RTSPMedia) -> None:
        self._has_begun = False
        self._source = media.get_element().get_by_name("sensor")

    def _read(self) -> None:
        read = sys.stdin.buffer.read
        while size := read(4):
            unit = read(int.from_bytes(size, "big"))
            self._has_begun |= unit[4] & 31 == PARAMETERS
            if self._source is not None and self._has_begun:
                self._source.emit("push-buffer", Gst.Buffer.new_wrapped(unit))


def main(port: str, fps: str, sensor_fps: str, *streams: str) -> None:
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    mounts = server.get_mount_points()
    for stream in streams:
        name, _, folder = stream.partition("=")
        mounts.add_factory(f"/{name}", looping(folder, fps))
    mounts.add_factory("/sensor", Sensor(sensor_fps).factory)
    server.attach(None)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main(*sys.argv[1:])
