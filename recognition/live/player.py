"""Plays a camera of any kind: its frames go into a stream session, and after a failure it is tried
again."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import chain

from recognition.cameras.models import Camera
from recognition.cameras.sources import KINDS
from recognition.cameras.sources.base import (
    AnsweringSource,
    Picture,
    Remark,
    Source,
    SourceFailed,
)
from recognition.cameras.sources.packets import VideoPacket
from recognition.cameras.sources.tape import Tape
from recognition.engine import engine_state, start_engine
from recognition.live.clips import clips
from recognition.live.messages import LiveMessage
from recognition.live.session import StreamSession
from recognition.live.slot import FrameSlot

logger = logging.getLogger(__name__)

_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0
_JOIN_S = 10.0
# Part of the time between two frames.
_EARLY = 0.25


@dataclass(frozen=True, slots=True)
class CameraState:
    """The state in the row of the camera."""

    status: Camera.Status
    message: str = ""


class CameraPlayer:
    """One camera in a thread of its own. `changed` is called if `state` changes."""

    def __init__(self, camera: Camera, changed: Callable[[], None]) -> None:
        self.state = CameraState(Camera.Status.STARTING)
        self._camera = camera
        self._changed = changed
        self._remark = Remark("")
        self._tape: Tape | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"camera-{camera.pk}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def is_stopped(self) -> bool:
        """True once it was told to stop; it may still be running."""
        return self._stopped.is_set()

    def stop(self) -> None:
        self._stopped.set()

    def join(self, timeout_s: float) -> bool:
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._stopped.is_set():
            started = time.monotonic()
            try:
                self._play()
                self._show(Camera.Status.OFF, "Played to the end.")
                return
            except SourceFailed as error:
                self._show(Camera.Status.FAILED, str(error))
                if error.is_lasting:
                    pause_s = _LONGEST_PAUSE_S
            except Exception:
                logger.exception("camera %s failed", self._camera.name)
                self._show(Camera.Status.FAILED, "It failed; see the server's log.")
            if time.monotonic() - started > _LONGEST_PAUSE_S:
                pause_s = _FIRST_PAUSE_S
            # Not all at once, after a switch of the network came back.
            self._stopped.wait(pause_s * random.uniform(0.75, 1.25))
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _play(self) -> None:
        """Play until the end of the source, or until stopped; SourceFailed."""
        self._await_engine()
        source = KINDS[self._camera.kind].load()
        self._remark = Remark("")
        self._tape = clips().tape(self._camera)
        with closing(source.frames(self._camera, self._stopped)) as given:
            pictures = self._pictures(given)
            # No session, and no row of a stream, for a camera that cannot be opened.
            first = next(pictures, None)
            if first is not None:
                self._stream(source, chain([first], pictures))

    def _pictures(self, given: Iterable[Picture | Remark | VideoPacket]) -> Iterator[Picture]:
        """Without the remarks, which the status shows, and the packets, which the tape keeps."""
        for one in given:
            if isinstance(one, Remark):
                self._remark = one
                self._show_remark()
            elif isinstance(one, VideoPacket):
                if self._tape is not None:
                    self._tape.add(one)
            else:
                yield one

    def _stream(self, source: Source, pictures: Iterable[Picture]) -> None:
        rate = _Rate(self._camera.max_fps)
        with self._session(source) as slot:
            for picture in pictures:
                if rate.allows(time.monotonic()):
                    slot.put(picture)
                if slot.is_closed:
                    return

    def _await_engine(self) -> None:
        while not self._stopped.is_set():
            state = engine_state()
            if state["state"] == "ready":
                return
            if state["state"] == "failed":
                start_engine()
                raise SourceFailed(str(state["message"]))
            self._show(Camera.Status.STARTING, "Waiting for the engine.")
            self._stopped.wait(0.2)

    @contextmanager
    def _session(self, source: Source) -> Iterator[FrameSlot]:
        """A stream session for the frames; SourceFailed if it ended by itself."""
        slot = FrameSlot()
        failure: list[str] = []
        answering = source if isinstance(source, AnsweringSource) else None

        def hear(message: LiveMessage) -> None:
            self._hear(message, failure)
            if answering is not None and message["type"] in ("faces", "error"):
                answering.answer(self._camera, message)

        session = StreamSession(
            collection=self._camera.collection,
            camera=self._camera,
            slot=slot,
            sink=hear,
            is_paced=True,
        )
        with clips().of_stream(session.id, self._camera, self._tape):
            session.start()
            try:
                yield slot
                ended_by_itself = slot.is_closed
            finally:
                session.stop()
                session.join(_JOIN_S)
        if ended_by_itself:
            raise SourceFailed(failure[-1] if failure else "The session ended.")

    def _hear(self, message: LiveMessage, failure: list[str]) -> None:
        if message["type"] == "session.started":
            self._show_remark()
        elif message["type"] == "error":
            # Many frames may fail for one reason, so log only the last error.
            failure[:] = [str(message["message"])]

    def _show_remark(self) -> None:
        """The camera is played, and this is what its source says of it."""
        status = Camera.Status.WAITING if self._remark.is_waiting else Camera.Status.RUNNING
        self._show(status, self._remark.text)

    def _show(self, status: Camera.Status, message: str = "") -> None:
        state = CameraState(status, message[:300])
        if state != self.state and not self._stopped.is_set():
            self.state = state
            self._changed()


class _Rate:
    """Leaves out frames above a rate. It decides when a frame comes, so none waits for its time."""

    def __init__(self, max_fps: float) -> None:
        self._gap_s = 1 / max_fps
        self._next_s = 0.0

    def allows(self, now_s: float) -> bool:
        # Frames do not come evenly: one that is a little early counts as in time.
        if now_s < self._next_s - self._gap_s * _EARLY:
            return False
        self._next_s = max(self._next_s, now_s - self._gap_s) + self._gap_s
        return True
