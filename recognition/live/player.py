"""Plays a video file as a camera: in real time, at most at the camera's rate, in a loop."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath

import cv2
from django.conf import settings

from ml_engine.types import Image
from recognition.cameras.models import Camera
from recognition.engine import engine_state, start_engine
from recognition.live.messages import LiveMessage
from recognition.live.session import StreamSession
from recognition.live.slot import FrameSlot

logger = logging.getLogger(__name__)

_FIRST_PAUSE_S = 2.0
_LONGEST_PAUSE_S = 60.0
# For a file without a frame rate.
_USUAL_FPS = 25.0
# If playing is later than this, restart the clock instead of catching up.
_FAR_BEHIND_S = 2.0
_JOIN_S = 10.0


@dataclass(frozen=True, slots=True)
class CameraState:
    """The state in the row of the camera."""

    status: Camera.Status
    message: str = ""


class CameraFailed(Exception):
    """The camera cannot continue; the message is for people. It is tried again later."""


class FilePlayer:
    """One camera in a thread of its own. `changed` is called if `state` changes."""

    def __init__(self, camera: Camera, changed: Callable[[], None]) -> None:
        self.state = CameraState(Camera.Status.STARTING)
        self._camera = camera
        self._changed = changed
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
            except CameraFailed as error:
                self._show(Camera.Status.FAILED, str(error))
            except Exception:
                logger.exception("camera %s failed", self._camera.name)
                self._show(Camera.Status.FAILED, "It failed; see the server's log.")
            if time.monotonic() - started > _LONGEST_PAUSE_S:
                pause_s = _FIRST_PAUSE_S
            self._stopped.wait(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _play(self) -> None:
        """Play until the end of a file that does not loop, or until stopped; CameraFailed."""
        path = _path(self._camera.address)
        self._await_engine()
        with self._session() as slot:
            pace = _Pace(self._camera.max_fps)
            while not self._stopped.is_set():
                for image in _frames(path, pace, self._stopped):
                    slot.put(image)
                    if slot.is_closed:
                        return
                if not self._camera.loops:
                    return

    def _await_engine(self) -> None:
        while not self._stopped.is_set():
            state = engine_state()
            if state["state"] == "ready":
                return
            if state["state"] == "failed":
                start_engine()
                raise CameraFailed(str(state["message"]))
            self._show(Camera.Status.STARTING, "Waiting for the engine.")
            self._stopped.wait(0.2)

    @contextmanager
    def _session(self) -> Iterator[FrameSlot]:
        """A stream session for the frames; CameraFailed if it ended by itself."""
        slot = FrameSlot()
        failure: list[str] = []
        session = StreamSession(
            collection=self._camera.collection,
            camera=self._camera,
            slot=slot,
            sink=lambda message: self._hear(message, failure),
        )
        session.start()
        try:
            yield slot
            ended_by_itself = slot.is_closed
        finally:
            session.stop()
            session.join(_JOIN_S)
        if ended_by_itself:
            raise CameraFailed(failure[-1] if failure else "The session ended.")

    def _hear(self, message: LiveMessage, failure: list[str]) -> None:
        if message["type"] == "session.started":
            self._show(Camera.Status.RUNNING)
        elif message["type"] == "error":
            # Many frames may fail for one reason, so log only the last error.
            failure[:] = [str(message["message"])]

    def _show(self, status: Camera.Status, message: str = "") -> None:
        state = CameraState(status, message[:300])
        if state != self.state and not self._stopped.is_set():
            self.state = state
            self._changed()


class _Pace:
    """The time of the next frame: at the file's rate, or at the camera's if that is lower."""

    def __init__(self, max_fps: float) -> None:
        self._shortest_s = 1 / max_fps
        self._next_s = time.monotonic()

    def wait(self, fps: float, stopped: threading.Event) -> float:
        """Wait until the next frame is due; returns its due time."""
        now = time.monotonic()
        if now - self._next_s > _FAR_BEHIND_S:
            self._next_s = now
        stopped.wait(max(0.0, self._next_s - now))
        due = self._next_s
        self._next_s += max(self._shortest_s, 1 / fps)
        return due


def _path(name: str) -> Path:
    """The file in the video folder; files outside of it are refused."""
    path = settings.VIDEO_DIR / name
    if not name or PurePath(name).name != name or not path.is_file():
        raise CameraFailed(f"There is no file {name!r} in the video folder.")
    return path


def _frames(path: Path, pace: _Pace, stopped: threading.Event) -> Iterator[Image]:
    """RGB frames of a file when they are due; late frames and frames above the rate are left
    out."""
    # One thread: decoding must not take the cores that the engine works on.
    video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    try:
        fps = _rate(video)
        index, first_s = 0, None
        while not stopped.is_set():
            due_s = pace.wait(fps, stopped)
            first_s = due_s if first_s is None else first_s
            while index < int((due_s - first_s) * fps + 0.5):
                if not video.grab():
                    return
                index += 1
            is_read, frame = video.read()
            if not is_read:
                break
            index += 1
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)  # type: ignore[misc]
        if index == 0 and not stopped.is_set():
            raise CameraFailed(f"{path.name} is not a video that can be played.")
    finally:
        video.release()


def _rate(video: cv2.VideoCapture) -> float:
    fps = float(video.get(cv2.CAP_PROP_FPS)) if video.isOpened() else 0.0
    return fps if 0.5 <= fps <= 240 else _USUAL_FPS
