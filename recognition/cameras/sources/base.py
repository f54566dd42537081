"""What a source of frames is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Protocol, TypeAlias

from ml_engine.types import Image

if TYPE_CHECKING:
    from recognition.cameras.models import Camera

# Encoded, as RGB, or a function that gives the RGB picture: of a frame that nobody takes, only the
# decoding is paid, and not the conversion.
Picture: TypeAlias = "bytes | Image | Callable[[], Image]"


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

    def frames(self, camera: Camera, stopped: threading.Event) -> Generator[Picture, None, None]:
        """Open the camera and give each frame when it is there, in the order of the camera, until
        its end or until `stopped` is set. Waiting for a frame takes a few seconds at most. Closing
        the generator lets go of the camera. SourceFailed."""
