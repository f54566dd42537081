"""How long a camera may send nothing that is a picture, and how much."""

from __future__ import annotations

import threading
import time

from recognition.cameras.sources.base import SourceFailed

SILENCE_S = 8.0
MOST_MB = 32


class Patience:
    """Asked by each part that waits for the camera. `failure`: why it ended; None if it was
    stopped. FFmpeg is told the end of the stream only, for it would go on after an error."""

    def __init__(self, stopped: threading.Event) -> None:
        self.failure: SourceFailed | None = None
        self._stopped = stopped
        self.picture_came()

    def picture_came(self) -> None:
        self._since_s = time.monotonic()
        self._bytes = 0

    def goes_on(self, received: int = 0) -> bool:
        """False once the camera is to be left. received: bytes since the last call."""
        self._bytes += received
        if time.monotonic() - self._since_s > SILENCE_S:
            self.fail(f"No picture came for {SILENCE_S:.0f} seconds.")
        elif self._bytes > MOST_MB * 2**20:
            self.fail(f"It sent {MOST_MB} MB and no picture that can be decoded.")
        return self.failure is None and not self._stopped.is_set()

    def waits(self, seconds: float) -> bool:
        """Wait; False if the camera is to be left."""
        self._stopped.wait(max(0.0, seconds))
        return self.goes_on()

    def fail(self, message: str, *, is_lasting: bool = False) -> None:
        """The first failure is the one that is told."""
        if self.failure is None:
            self.failure = SourceFailed(message, is_lasting=is_lasting)
