"""The kinds of cameras: a literal table. A new kind is one file here and one row."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.module_loading import import_string

from recognition.cameras.sources.base import Source


@dataclass(frozen=True, slots=True)
class Kind:
    """source: dotted name of the `Source`; None if a client sends the frames.

    address: what to write there, for people.
    """

    title: str
    source: str | None
    address: str = ""

    def load(self) -> Source:
        """The source; imported at its first use, for most processes play no camera."""
        assert self.source, f"{self.title}: the frames come from a client"
        return import_string(self.source)()


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
    ),
}


def kind_choices() -> list[tuple[str, str]]:
    return [(name, kind.title) for name, kind in KINDS.items()]


def address_help() -> str:
    """What the address is, for each kind that has one."""
    told = [f"{kind.title}: {kind.address}." for kind in KINDS.values() if kind.address]
    return " ".join(told)


def played_kinds() -> list[str]:
    """The kinds that the server plays itself."""
    return [name for name, kind in KINDS.items() if kind.source]
