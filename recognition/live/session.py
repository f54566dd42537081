"""A stream session: frames in, faces with names and visits out. The same for every source.

One thread a session takes the newest frame, recognises the faces in it, and answers; pictures of
visits come after the answer, and their way into the database is another thread's. Everything kept
is bounded: one frame, a few looks a track, one picture of a visit on its way to the database.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connections
from django.utils import timezone

from ml_engine import EngineBusy, EngineError, ImageError
from ml_engine.images import ImageLimits, decode_image
from ml_engine.request import Timings
from ml_engine.types import Image
from recognition.cameras.models import Camera
from recognition.cameras.services.cameras import camera_set_status, cameras_set_off
from recognition.engine import get_engine
from recognition.events.services.events import events_close_stale
from recognition.live.answers import error_message, event_message, face_answer, faces_message
from recognition.live.pictures import shrunk_jpeg
from recognition.live.previews import Preview, previews
from recognition.live.recogniser import Recogniser, SeenFace
from recognition.live.rulebook import Rulebook
from recognition.live.slot import Frame, FrameSlot, Load, turns
from recognition.live.visit_log import VisitLog
from recognition.people.models import Collection
from recognition.web.errors import ServiceError
from recognition.web.payloads import EventPayload
from recognition.web.process import Part, process

logger = logging.getLogger(__name__)

# A 4K picture and a little more: what is larger takes seconds and was not meant for this.
_MAX_PIXELS = 10_000_000
# Without frames, visits still come to an end.
_TICK_S = 0.5
_PAUSE_S = 0.05
# So many failures in a row that are ours end a session.
_MAX_FAILURES = 20
_PREVIEW_SIDE_PX = 960

Sink = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """None: the camera's own, or the engine's."""

    min_face_px: int | None = None
    max_fps: float | None = None


class StreamSession:
    """Args:

    sink: receives every message of the protocol, from the session's thread and the writer's; it
        must not wait.
    on_end: called once, in the session's thread, with the code of what ended it, or None where it
        was stopped.
    """

    def __init__(
        self,
        *,
        collection: Collection,
        slot: FrameSlot,
        sink: Sink,
        camera: Camera | None = None,
        options: StreamOptions | None = None,
        on_end: Callable[[str | None], None] = lambda code: None,
    ) -> None:
        options = options or StreamOptions()
        self.id = uuid.uuid4().hex
        self._collection = collection
        self._camera = camera
        self._slot = slot
        self._sink = sink
        self._on_end = on_end
        self._min_face_px = options.min_face_px or (camera.min_face_px if camera else None)
        max_fps = options.max_fps or (camera.max_fps if camera else None)
        self._gap_s = 1 / max_fps if max_fps else 0.0
        self._next_s = 0.0
        # When the last frame came, and since when the next one is waited for: the time that was
        # spent on a frame is no time without a face.
        self._last_s = self._ready_s = time.monotonic()
        self._load = Load()
        self._failures = 0
        self._limits = ImageLimits(max_bytes=settings.MAX_FRAME_BYTES, max_pixels=_MAX_PIXELS)
        self._thread = threading.Thread(target=self._run, name=f"stream-{self.id[:8]}", daemon=True)

    def start(self) -> None:
        process().part(Sessions).add(self)
        self._thread.start()

    def stop(self) -> None:
        """End after the frame that is worked on; visits are closed and handed to the writer."""
        self._slot.close()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; False where that took too long."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        code: str | None = None
        try:
            self._begin(Rulebook(self._collection))
            self._stream()
        except ServiceError as error:
            code = error.code
            self._sink(error_message(error.code, error.message))
        except (DatabaseError, InterfaceError) as error:
            code = "database_unavailable"
            logger.warning("a stream session could not start: %s", error)
            self._sink(error_message(code, "The database does not answer."))
        except Exception:
            code = "internal_error"
            logger.exception("a stream session failed")
            self._sink(error_message(code, "The session failed; see the server's log."))
        finally:
            self._slot.close()
            connections.close_all()
            process().part(Sessions).remove(self)
            self._on_end(code)

    def _stream(self) -> None:
        self._tell_started()
        self._show_status(Camera.Status.RUNNING)
        try:
            while not self._slot.is_closed:
                self._step()
        finally:
            self._visits.close()
            self._show_status(Camera.Status.OFF)

    def _begin(self, rulebook: Rulebook) -> None:
        """For the model of the collection: what another one made must not stay."""
        get_engine().embedder(rulebook.collection.embedder.name)
        self._recogniser = Recogniser(rulebook, caller=self.id, min_face_px=self._min_face_px)
        self._visits = VisitLog(
            rulebook, camera=self._camera, session=self.id, tell=self._tell_event
        )

    def _tell_started(self) -> None:
        collection = self._recogniser.rulebook.collection
        self._sink(
            {
                "type": "session.started",
                "session": self.id,
                "model": str(collection.embedder),
                "device": get_engine().device,
            }
        )

    def _show_status(self, status: Camera.Status) -> None:
        """Of a browser's camera; those that the server plays have somebody who does it."""
        if self._camera is None or self._camera.kind != Camera.Kind.BROWSER:
            return
        is_on = status == Camera.Status.RUNNING
        others = process().part(Sessions).count(self._camera.pk, 1 if is_on else -1)
        if others and not is_on:
            return
        try:
            camera_set_status(camera_id=self._camera.pk, status=status, message="")
        except (DatabaseError, InterfaceError) as error:
            logger.warning("the status of a camera was not written: %s", error)

    def _tell_event(self, payload: EventPayload, kind: str) -> None:
        self._sink(event_message(payload, kind))

    def _step(self) -> None:
        rulebook = self._recogniser.rulebook
        if rulebook.reread():
            self._visits.close()
            self._begin(rulebook)
        if self._await_frame():
            self._serve()
        self._visits.close_gone(self._last_s + (time.monotonic() - self._ready_s))

    def _await_frame(self) -> bool:
        """True once there is a frame, no sooner than the highest rate allows."""
        wait_s = self._next_s - time.monotonic()
        if wait_s > 0:
            time.sleep(min(wait_s, _TICK_S))
        return wait_s <= _TICK_S and self._slot.wait(_TICK_S)

    def _serve(self) -> None:
        """Wait for the stream's turn, and answer the frame that is the newest by then."""
        dropped, began_s = self._slot.dropped, time.monotonic()
        is_answered = True
        with turns.turn():
            frame = self._slot.take(0)
            if frame is not None:
                self._next_s = max(self._next_s, time.monotonic()) + self._gap_s
                is_answered = self._answer(frame)
                self._last_s, self._ready_s = frame.arrived_s, time.monotonic()
        lost, busy_s = self._slot.dropped - dropped, time.monotonic() - began_s
        self._load.note(lost=lost, busy_s=busy_s, gap_s=self._gap_s)
        if not is_answered:
            time.sleep(_PAUSE_S)

    def _answer(self, frame: Frame) -> bool:
        """False if it could not be worked on, so that the next one had better wait a little."""
        try:
            self._work_on(frame)
            self._failures = 0
            return True
        except ImageError as error:
            self._refuse(frame, "bad_frame", error.message, reason=error.code)
            return True
        except EngineBusy as error:
            self._slot.count_dropped()
            self._refuse(frame, error.code, error.message)
        except (EngineError, ServiceError) as error:
            self._refuse(frame, error.code, error.message)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("a frame was not searched for: %s", error)
            connections.close_all()
            self._refuse(frame, "database_unavailable", "The database does not answer.")
        except Exception:
            self._failures += 1
            if self._failures >= _MAX_FAILURES:
                raise
            logger.exception("a frame failed")
            self._refuse(frame, "internal_error", "The frame failed; see the server's log.")
            return True
        return False

    def _refuse(self, frame: Frame, code: str, message: str, **more: object) -> None:
        self._sink(error_message(code, message, frame=frame.number, **more))

    def _work_on(self, frame: Frame) -> None:
        started = time.monotonic()
        timings: Timings = {"queue": (started - frame.arrived_s) * 1000}
        image = self._decoded(frame)
        timings["decode"] = (time.monotonic() - started) * 1000
        seen, left = self._recogniser.recognise(
            get_engine(), image, frame.arrived_s, timings, self._load
        )
        came_at = timezone.now() - timedelta(seconds=time.monotonic() - frame.arrived_s)
        self._visits.see(seen, left, frame.arrived_s, came_at)
        timings["total"] = (time.monotonic() - frame.arrived_s) * 1000
        faces = [self._face(one) for one in seen]
        message = faces_message(frame.number, image, faces, timings, dropped=self._slot.dropped)
        self._sink(message)
        if self._camera is not None:
            # Of the picture that was looked at: a JPEG may have been turned by its EXIF note.
            previews().show(
                self._camera.pk,
                lambda: Preview(shrunk_jpeg(image, _PREVIEW_SIDE_PX, quality=80), message),
            )
        self._visits.keep_pictures(image, seen)

    def _decoded(self, frame: Frame) -> Image:
        if isinstance(frame.content, bytes):
            return decode_image(frame.content, self._limits)
        return frame.content

    def _face(self, one: SeenFace) -> dict[str, Any]:
        decision = one.identity.decision
        return face_answer(
            one,
            name=self._recogniser.name_of(decision.person) if decision else None,
            threshold=self._recogniser.rulebook.rules.threshold,
            event=self._visits.event_of(one.identity.track),
        )


class Sessions(Part):
    """The sessions that run in this process."""

    kept_s = 3.0

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[StreamSession] = set()
        # Of each browser's camera, how many sessions stream from it: the last one sets it off.
        self._streaming: Counter[UUID] = Counter()

    def start(self) -> None:
        """Close first what an earlier process left open."""
        try:
            if closed := events_close_stale():
                logger.info("closed %d visits that were left open", closed)
            cameras_set_off()
        except (DatabaseError, InterfaceError):
            logger.exception("what an earlier process left open could not be closed")

    def add(self, session: StreamSession) -> None:
        with self._lock:
            self._running.add(session)

    def remove(self, session: StreamSession) -> None:
        with self._lock:
            self._running.discard(session)

    def count(self, camera_id: UUID, change: int) -> int:
        """How many stream from a browser's camera, after one came or went."""
        with self._lock:
            self._streaming[camera_id] += change
            count = self._streaming[camera_id]
            self._streaming += Counter()
            return count

    def stop(self, timeout_s: float) -> bool:
        """End all of them; False if one took too long."""
        with self._lock:
            sessions = list(self._running)
        for session in sessions:
            session.stop()
        deadline = time.monotonic() + timeout_s
        return all([session.join(max(0.0, deadline - time.monotonic())) for session in sessions])
