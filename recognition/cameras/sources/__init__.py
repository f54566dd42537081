"""The kinds of cameras: a literal table. A new kind is one file here and one row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from django.utils.module_loading import import_string

from recognition.cameras.sources.base import Hub, Source
from recognition.web.process import Part, process


@dataclass(frozen=True, slots=True)
class Kind:
    """source: dotted name of the `Source`; None if a client sends the frames.

    address: what to write there, for people. has_packets: it gives the packets of its cameras, for
    clips. is_local: its cameras hang on one machine, and have a node. hub: dotted name of the
    `Hub`, a part of the process, if one receiver serves all cameras.
    """

    title: str
    source: str | None
    address: str = ""
    has_packets: bool = False
    is_local: bool = False
    hub: str | None = None

    def load(self) -> Source:
        """The source; imported at its first use, for most processes play no camera."""
        assert self.source, f"{self.title}: the frames come from a client"
        return import_string(self.source)()

    def load_hub(self) -> Hub:
        """The hub of this process."""
        assert self.hub, f"{self.title}: each camera is opened on its own"
        part: type[Part] = import_string(self.hub)
        return cast("Hub", process().part(part))


BROWSER = "browser"
FILE = "file"
NETWORK = "rtsp"

KINDS: dict[str, Kind] = {
    BROWSER: Kind(title="Browser", source=None),
    FILE: Kind(
        title="Video file",
        source="recognition.cameras.sources.video_file.VideoFile",
        address="its name in the video folder of the server",
    ),
    NETWORK: Kind(
        title="Network camera",
        source="recognition.cameras.sources.network.NetworkCamera",
        address="rtsp://, rtsps://, http:// or https://, such as rtsp://192.168.1.20/stream1",
        has_packets=True,
    ),
    "usb": Kind(
        title="USB camera",
        source="recognition.cameras.sources.usb.UsbCamera",
        address="/dev/video0 or a name below /dev/v4l/by-id/, on its node",
        is_local=True,
    ),
    "imagezmq": Kind(
        title="ImageZMQ, request/reply",
        source="recognition.cameras.sources.imagezmq.ImageZmq",
        address="the name that its sender gives, before the first |",
        is_local=True,
        hub="recognition.cameras.sources.imagezmq_hub.ImageZmqHub",
    ),
    "imagezmq_sub": Kind(
        title="ImageZMQ, publish/subscribe",
        source="recognition.cameras.sources.imagezmq_sub.ImageZmqPublisher",
        address="tcp://host:port of its sender",
    ),
}


def kind_choices() -> list[tuple[str, str]]:
    return [(name, kind.title) for name, kind in KINDS.items()]


def address_help() -> str:
    """What the address is, for each kind that has one."""
    told = [f"{kind.title}: {kind.address}." for kind in KINDS.values() if kind.address]
    return " ".join(told)


def has_hub(kind: str) -> bool:
    return kind in KINDS and KINDS[kind].hub is not None


def played_kinds() -> list[str]:
    """The kinds that the server plays itself."""
    return [name for name, kind in KINDS.items() if kind.source]
