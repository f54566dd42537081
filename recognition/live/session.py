"""A stream session: frames in, faces with names and visits out. All sources are treated alike.

One thread for each session takes the newest frame, recognises its faces, and answers. Pictures of
visits come after the answer, and another thread writes them into the database. All memory is
bounded: one frame, a few looks for each track, one picture of a visit on its way to the database.
"""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from django.db import DatabaseError, InterfaceError, connections
from django.utils import timezone

from ml_engine import EngineBusy, EngineError, ImageError
from ml_engine.request import Ask, Timings
from recognition.cameras.models import Camera
from recognition.cameras.pictures import shrunk_jpeg
from recognition.cameras.services.streams import OwnStream, stream_begin
from recognition.engine import get_engine
from recognition.live.answers import error_message, face_answer, faces_message, visit_message
from recognition.live.camera_settings import settings_followed
from recognition.live.messages import LiveFacePayload, LiveMessage
from recognition.live.minutes import camera_minutes
from recognition.live.pipeline import FramePipeline
from recognition.live.preview_exchange import Preview
from recognition.live.previews import previews
from recognition.live.recogniser import DEADLINE_S, SeenFace
from recognition.live.rulebook import Rulebook
from recognition.live.slot import Frame, FrameSlot, Load, Turns
from recognition.live.view import View
from recognition.live.writer import visit_writer
from recognition.notices.payloads import PageEventKind
from recognition.people.models import Collection
from recognition.web.errors import ServiceError
from recognition.web.identifiers import uuid7
from recognition.web.leases import LeaseKeeper, LeaseLost
from recognition.web.metrics import count, observe
from recognition.web.payloads import EventPayload
from recognition.web.process import Part, process

logger = logging.getLogger(__name__)

# Visits must also end if no frames come.
_TICK_S = 0.5
_PAUSE_S = 0.05
# A session ends after this many failures in a row that its source did not cause.
_MAX_FAILURES = 20
# A preview is not shown if its frame took longer, for example because this process was paused.
_PREVIEW_WITHIN_S = 5.0

Sink = Callable[[LiveMessage], None]


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """None: the value of the camera or of the engine."""

    min_face_px: int | None = None
    max_fps: float | None = None


class StreamSession:
    """Args:

    caller: as in the audit log; empty if the server plays the camera.
    sink: receives every message of the protocol, from the session's thread and the writer's; it
        must not wait.
    is_paced: the source leaves out the frames above the highest rate itself.
    on_end: called once, in the session's thread, with the code of the reason, or None if the
        session was stopped.
    """

    def __init__(
        self,
        *,
        collection: Collection,
        slot: FrameSlot,
        sink: Sink,
        camera: Camera | None = None,
        options: StreamOptions | None = None,
        caller: str = "",
        is_paced: bool = False,
        on_end: Callable[[str | None], None] = lambda code: None,
    ) -> None:
        options = options or StreamOptions()
        self.id = uuid7()
        self._caller = caller
        self._is_lost = False
        self._collection = collection
        self._camera = camera
        self._slot = slot
        self._sink = sink
        self._on_end = on_end
        self._min_face_px = options.min_face_px or (camera.min_face_px if camera else None)
        max_fps = options.max_fps or (camera.max_fps if camera else None)
        self._gap_s = 1 / max_fps if max_fps and not is_paced else 0.0
        self._next_s = 0.0
        # Time of the last frame, and the time since which the next one is awaited: time spent on a
        # frame does not count as time without a face.
        self._last_s = self._ready_s = time.monotonic()
        self._load = Load()
        self._noted_dropped = 0
        self._failures = 0
        name = f"stream-{self.id.hex[-8:]}"
        # In the context of its caller: the log then has the id of the websocket's request.
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._run,), name=name, daemon=True
        )

    def start(self) -> None:
        process().part(Sessions).add(self)
        self._thread.start()

    def stop(self) -> None:
        """End after the present frame; visits are closed and passed to the writer."""
        self._slot.close()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; False if that took too long."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        code: str | None = None
        try:
            settings = settings_followed(self._camera.pk if self._camera else None)
            rulebook = Rulebook(self._collection, lambda: settings().model_id)
            with self._own_stream() as stream:
                self._pipeline = FramePipeline(
                    rulebook,
                    stream,
                    self._tell_event,
                    ask=Ask(caller=str(stream.id), deadline_s=DEADLINE_S),
                    min_face_px=self._min_face_px,
                    areas=lambda: settings().areas,
                )
                self._answer_frames()
        except LeaseLost:
            code = "stream_lost"
            self._sink(error_message(code, "The server was away for too long. Start again."))
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

    @contextmanager
    def _own_stream(self) -> Iterator[OwnStream]:
        """The row of this session, owned until its last visit is written."""
        stream = stream_begin(
            stream_id=self.id, collection=self._collection, camera=self._camera, caller=self._caller
        )
        kept = process().part(LeaseKeeper).keep(stream.rows, stream.lease, self._lose)
        try:
            yield stream
        finally:
            visit_writer().end(stream, kept)

    def _lose(self) -> None:
        """Another process has ended the stream: ignore everything from now on."""
        self._is_lost = True
        self._slot.close()

    def _answer_frames(self) -> None:
        self._tell_started()
        try:
            while not self._slot.is_closed:
                self._step()
        finally:
            self._pipeline.visits.close()
        if self._is_lost:
            raise LeaseLost

    def _tell_started(self) -> None:
        collection = self._pipeline.recogniser.rulebook.collection
        self._sink(
            {
                "type": "session.started",
                "session": str(self.id),
                "model": str(collection.embedder),
                "device": get_engine().device,
            }
        )

    def _tell_event(self, payload: EventPayload, kind: PageEventKind) -> None:
        self._sink(visit_message(payload, kind))

    def _step(self) -> None:
        self._pipeline.follow_rules()
        if self._await_frame():
            self._serve()
        self._pipeline.visits.close_gone(self._last_s + (time.monotonic() - self._ready_s))

    def _await_frame(self) -> bool:
        """True if there is a frame; it waits as long as the highest rate demands."""
        wait_s = self._next_s - time.monotonic()
        if wait_s > 0:
            time.sleep(min(wait_s, _TICK_S))
        return wait_s <= _TICK_S and self._slot.wait(_TICK_S)

    def _serve(self) -> None:
        """Wait for the stream's turn, and answer the frame that is the newest by then."""
        dropped, began_s = self._slot.dropped, time.monotonic()
        is_answered = True
        with process().part(Sessions).turns.turn():
            frame = self._slot.take(0)
            if frame is not None:
                self._next_s = max(self._next_s, time.monotonic()) + self._gap_s
                is_answered = self._answer(frame)
                self._last_s, self._ready_s = frame.arrived_s, time.monotonic()
        lost, busy_s = self._slot.dropped - dropped, time.monotonic() - began_s
        count("facerec_frames_total", "dropped", by=lost)
        self._load.note(lost=lost, busy_s=busy_s, gap_s=self._gap_s)
        if not is_answered:
            time.sleep(_PAUSE_S)

    def _answer(self, frame: Frame) -> bool:
        """False if the frame could not be processed and the session should pause before the next
        one."""
        try:
            self._work_on(frame)
            self._failures = 0
            count("facerec_frames_total", "answered")
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

    def _refuse(self, frame: Frame, code: str, message: str, *, reason: str | None = None) -> None:
        count("facerec_frames_total", "refused")
        self._sink(error_message(code, message, frame=frame.number, reason=reason))

    def _work_on(self, frame: Frame) -> None:
        started = time.monotonic()
        timings: Timings = {"queue": (started - frame.arrived_s) * 1000}
        view = View(frame.content)
        came_at = timezone.now() - timedelta(seconds=time.monotonic() - frame.arrived_s)
        seen = self._pipeline.see(view, frame.arrived_s, came_at, timings, self._load)
        timings |= view.timings
        timings["total"] = (time.monotonic() - frame.arrived_s) * 1000
        observe("facerec_frame_seconds", timings["total"] / 1000)
        faces = [self._face(one) for one in seen]
        message = faces_message(
            frame.number,
            view,
            faces,
            timings,
            model=self._pipeline.recogniser.rulebook.collection.embedder.version,
            dropped=self._slot.dropped,
        )
        self._sink(message)
        if self._camera is not None:
            dropped = self._slot.dropped - self._noted_dropped
            self._noted_dropped += dropped
            camera_minutes().note(self._camera.pk, timings, dropped=dropped)
        if self._camera is not None and time.monotonic() - frame.arrived_s < _PREVIEW_WITHIN_S:
            # Made from the decoded image: its JPEG may have been turned by an EXIF note.
            previews().show(
                self._camera.pk,
                lambda side_px: Preview(shrunk_jpeg(view.image, side_px, quality=80), message),
            )
        if seen:
            self._pipeline.visits.keep_pictures(view.image, seen)

    def _face(self, one: SeenFace) -> LiveFacePayload:
        decision, recogniser = one.identity.decision, self._pipeline.recogniser
        return face_answer(
            one,
            name=recogniser.name_of(decision.person) if decision else None,
            labels=recogniser.labels_of(decision.person) if decision else (),
            threshold=(decision or recogniser.rulebook.rules).threshold,
            event=self._pipeline.visits.event_of(one.identity.track),
        )


class Sessions(Part):
    """The sessions of this process, and their turns on its engine."""

    kept_s = 3.0

    def __init__(self) -> None:
        self.turns = Turns()
        self._lock = threading.Lock()
        self._running: set[StreamSession] = set()

    def add(self, session: StreamSession) -> None:
        with self._lock:
            self._running.add(session)

    def remove(self, session: StreamSession) -> None:
        with self._lock:
            self._running.discard(session)

    def stop(self, timeout_s: float) -> bool:
        """End all sessions; False if one took too long."""
        with self._lock:
            sessions = list(self._running)
        for session in sessions:
            session.stop()
        deadline = time.monotonic() + timeout_s
        return all([session.join(max(0.0, deadline - time.monotonic())) for session in sessions])
