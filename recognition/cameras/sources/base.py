"""What a source of frames is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

from ml_engine.types import Image

if TYPE_CHECKING:
    from recognition.cameras.models import Camera
    from recognition.cameras.sources.packets import VideoPacket

# Encoded, as RGB, or a function that returns the RGB picture: of a frame that nobody takes, or that
# shows nothing new, only the decoding is paid, and not the conversion.
Picture: TypeAlias = "bytes | Image | Callable[[], Image]"


@dataclass(frozen=True, slots=True)
class Remark:
    """Between two frames: what the status of the camera says from now on; an empty text takes the
    remark before it back. is_waiting: no frames come at present."""

    text: str
    is_waiting: bool = False


class SourceFailed(Exception):
    """The camera cannot be played now; the message is for people, and holds no secret.

    is_lasting: it will most likely fail again until somebody changes something (a wrong password),
    so the next attempt may wait.
    """

    def __init__(self, message: str, *, is_lasting: bool = False) -> None:
        super().__init__(message)
        self.is_lasting = is_lasting


class Source(Protocol):
    """How cameras of one kind are played."""

    def check(self, camera: Camera) -> None:
        """Refuse values that cannot be played, before they are stored: ServiceError."""

    def frames(
        self, camera: Camera, stopped: threading.Event
    ) -> Generator[Picture | Remark | VideoPacket, None, None]:
        """Open the camera and give each frame when it is there, in the order of the camera, until
        its end or until `stopped` is set. If the camera keeps clips, each of its packets, too.
        Waiting for a frame takes a few seconds at most. Closing the generator lets go of the
        camera. SourceFailed."""


@runtime_checkable
class AnsweringSource(Source, Protocol):
    """A source whose cameras can be told what was recognised."""

    def answer(self, camera: Camera, message: Mapping[str, object]) -> None:
        """The newest answer to a frame of this camera, as in the protocol of the live websocket.
        Must not wait."""


class Hub(Protocol):
    """Receives the frames of all cameras of one kind on this machine. A `Part` of the process; one
    process of the machine opens it."""

    def open(self) -> None:
        """Listen, unless it does already. If that fails, its cameras say why, and it is called
        again later."""

    def close(self) -> None:
        """Answer all senders that wait, then listen no more."""

    def strangers(self) -> dict[str, int]:
        """Senders that are no camera here: their names, and how many frames each has sent."""
