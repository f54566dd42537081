"""An RTSP server as cameras have one, by GStreamer, for the Python of the system.

    /usr/bin/python3 rtsp_server.py FOLDER PORT PORT_WITH_PASSWORD

Below FOLDER each stream has a folder with its encoded pictures, one file each. They are sent over
and over, as fast as they are taken, or once by the mount `once`. A Matroska file is sent once, in
real time. The second port asks for viewer and s:e/c@ret.
"""

from __future__ import annotations

import sys
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

USER, PASSWORD = "viewer", "s:e/c@ret"
FPS = 25
# Caps and payloader by the name of the folder.
CODECS = {
    "h264": ("video/x-h264,stream-format=byte-stream,alignment=au", "rtph264pay config-interval=1"),
    "h265": ("video/x-h265,stream-format=byte-stream,alignment=au", "rtph265pay config-interval=1"),
    "mjpeg": ("image/jpeg,width=640,height=360", "rtpjpegpay"),
    "people": (
        "video/x-h264,stream-format=byte-stream,alignment=au",
        "rtph264pay config-interval=1",
    ),
    "huge": ("video/x-h264,stream-format=byte-stream,alignment=au", "rtph264pay config-interval=1"),
}
TCP, UDP = GstRtsp.RTSPLowerTrans.TCP, GstRtsp.RTSPLowerTrans.UDP


def factory_of(folder: Path, codec: str, *, loops: bool = True) -> GstRtspServer.RTSPMediaFactory:
    caps, payloader = CODECS[codec]
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(
        f'( multifilesrc location="{folder / codec}/%05d" loop={str(loops).lower()} '
        f'caps="{caps},framerate={FPS}/1" ! {payloader} name=pay0 pt=96 )'
    )
    factory.set_shared(True)
    factory.set_latency(0)
    return factory


def factory_of_file(path: Path) -> GstRtspServer.RTSPMediaFactory:
    payloader = CODECS[path.stem if path.stem in CODECS else "h264"][1]
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(
        f'( filesrc location="{path}" ! matroskademux ! {payloader} name=pay0 pt=96 )'
    )
    factory.set_shared(True)
    factory.set_latency(0)
    return factory


def protect(server: GstRtspServer.RTSPServer, factory: GstRtspServer.RTSPMediaFactory) -> None:
    """Digest, for one user."""
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", USER)
    auth.add_digest(USER, PASSWORD, token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_role(USER)
    permissions.add_permission_for_role(USER, "media.factory.access", True)
    permissions.add_permission_for_role(USER, "media.factory.construct", True)
    factory.set_permissions(permissions)


def server_at(port: str) -> GstRtspServer.RTSPServer:
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    return server


def main(folder: Path, port: str, port_with_password: str) -> None:
    Gst.init(None)
    server, protected = server_at(port), server_at(port_with_password)
    mounts = server.get_mount_points()
    for codec in CODECS:
        if not (folder / codec).is_dir():
            continue
        for protocol, suffix in ((TCP, ""), (UDP, "-udp")):
            factory = factory_of(folder, codec)
            factory.set_protocols(protocol)
            mounts.add_factory(f"/{codec}{suffix}", factory)
    for path in folder.glob("*.mkv"):
        mounts.add_factory(f"/{path.name}", factory_of_file(path))
    mounts.add_factory("/once", factory_of(folder, "h264", loops=False))
    factory = factory_of(folder, "h264")
    protect(protected, factory)
    protected.get_mount_points().add_factory("/h264", factory)
    for one in (server, protected):
        one.attach(None)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
