"""A stream session driven by a test, frame by frame."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from recognition.cameras.models import Camera
from recognition.live.session import StreamOptions, StreamSession
from recognition.live.slot import FrameSlot
from recognition.live.writer import visit_writer
from recognition.people.models import Collection

_PATIENCE_S = 20.0
# Looks are weighed by time: a camera sends frames at its rate, not as fast as they are answered.
_FRAME_S = 0.1


class DrivenStream:
    """Use with `with`; what the session says is kept in `messages`."""

    def __init__(
        self,
        collection: Collection,
        *,
        camera: Camera | None = None,
        options: StreamOptions | None = None,
    ) -> None:
        self.slot = FrameSlot()
        self.messages: list[dict[str, Any]] = []
        self.ended_with: list[str | None] = []
        self._changed = threading.Condition()
        self._next_s = 0.0
        self.session = StreamSession(
            collection=collection,
            camera=camera,
            slot=self.slot,
            sink=self._hear,
            options=options,
            on_end=self._end,
        )

    def __enter__(self) -> DrivenStream:
        self.session.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.session.stop()
        assert self.session.join(_PATIENCE_S)
        assert visit_writer().flush(_PATIENCE_S)

    def answer_to(self, content: Any) -> dict[str, Any]:
        """Send one frame, at the rate of a camera, and wait for what is said about it."""
        time.sleep(max(0.0, self._next_s - time.monotonic()))
        self._next_s = time.monotonic() + _FRAME_S
        number = self.slot.put(content)
        return self.wait_for(lambda message: message.get("frame") == number)

    def show(self, content: Any, *, frames: int = 9) -> dict[str, Any]:
        """The same picture several times; the last answer."""
        return [self.answer_to(content) for _ in range(frames)][-1]

    def wait_for(self, is_wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        def wanted() -> dict[str, Any] | None:
            return next((message for message in self.messages if is_wanted(message)), None)

        with self._changed:
            self._changed.wait_for(lambda: wanted() or self.ended_with, _PATIENCE_S)
            found = wanted()
            assert found is not None, self.messages
            return found

    def events(self, kind: str) -> list[dict[str, Any]]:
        told = [message["event"] for message in self.messages if message["type"] == "event"]
        return [event for event in told if event["kind"] == kind]

    def _hear(self, message: Any) -> None:
        with self._changed:
            self.messages.append(message)
            self._changed.notify_all()

    def _end(self, code: str | None) -> None:
        with self._changed:
            self.ended_with.append(code)
            self._changed.notify_all()


def until(is_so: Callable[[], object], patience_s: float = _PATIENCE_S) -> None:
    """Wait until something is so, or fail."""
    deadline = time.monotonic() + patience_s
    while not is_so():
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.02)
