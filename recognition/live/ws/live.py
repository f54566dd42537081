"""`/ws/live/`: the caller's own frames in, faces and events out.

A message only replaces the newest frame and returns. It must never wait, because the queue in front
of a consumer is unbounded.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, InterfaceError

from accounts.access import Scope
from accounts.threads import in_database_thread
from recognition.cameras.services.streams import stream_open
from recognition.engine import engine_state, get_engine, start_engine
from recognition.live.answers import error_message, status_message
from recognition.live.session import StreamOptions, StreamSession
from recognition.live.slot import FrameSlot
from recognition.live.ws.base import Code, Refused, SiteConsumer
from recognition.live.ws.commands import MAX_TEXT, invalid, read_command, read_number, refuse_others
from recognition.web.boundaries import JsonDict
from recognition.web.errors import ServiceError

_ENGINE_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class StartRequest:
    """A validated `session.start`."""

    collection: UUID | None
    camera: UUID | None
    options: StreamOptions

    @classmethod
    def read(cls, text: str) -> StartRequest:
        """ServiceError if the text is not a valid `session.start`."""
        message = read_command(
            text,
            "session.start",
            ("collection", "camera", "options"),
            otherwise="Only session.start is known here; frames are binary messages.",
        )
        options = message.get("options", {})
        options = {} if options is None else options
        if not isinstance(options, dict):
            raise invalid("Options are a JSON object.")
        refuse_others("option", options, ("min_face_px", "max_fps"))
        return cls(
            collection=_id(message, "collection"),
            camera=_id(message, "camera"),
            options=StreamOptions(
                min_face_px=_whole(read_number(options, "min_face_px", 20, 1000)),
                max_fps=read_number(options, "max_fps", 1, 60),
            ),
        )


class LiveConsumer(SiteConsumer):
    scope_needed = Scope.IDENTIFY

    async def opened(self) -> None:
        self._slot = FrameSlot()
        self._starting: asyncio.Task[None] | None = None
        self._session: StreamSession | None = None
        self._heard_s = asyncio.get_running_loop().time()

    async def hear(self, text: str | None, data: bytes | None) -> None:
        self._heard_s = asyncio.get_running_loop().time()
        if data is None:
            await self._command(text or "")
        elif len(data) > settings.MAX_FRAME_BYTES:
            # One that is far larger never comes here: the server closes the socket.
            limit = settings.MAX_FRAME_BYTES
            text = f"A frame may have {limit / 2**20:g} MB at most."
            number = self._slot.skip()
            self.outbox.post(error_message("frame_too_large", text, frame=number, limit=limit))
        elif self._session is None and self._starting is None:
            number = self._slot.skip()
            message = error_message("not_started", "Send session.start first.", frame=number)
            self.outbox.post(message)
        else:
            self._slot.put(data)

    async def watch(self) -> None:
        if self._starting is not None:
            return
        if asyncio.get_running_loop().time() - self._heard_s > settings.STREAM_IDLE_S:
            raise Refused(Code.IDLE, f"No frame came for {settings.STREAM_IDLE_S} seconds.")

    def left(self) -> None:
        if (starting := getattr(self, "_starting", None)) is not None:
            starting.cancel()
        session: StreamSession | None = getattr(self, "_session", None)
        if session is None:
            self.release()
        else:
            # It counts for the limits until its thread has ended: see `_ended`.
            session.stop()

    async def _command(self, text: str) -> None:
        if len(text) > MAX_TEXT:
            raise Refused(Code.TOO_LARGE, "The message is too long.")
        try:
            request = StartRequest.read(text)
            if self._session is not None or self._starting is not None:
                raise ServiceError("already_started", "The session was started already.")
        except ServiceError as error:
            self.outbox.post(error_message(error.code, error.message))
            return
        self._starting = asyncio.create_task(self._start(request))

    async def _start(self, request: StartRequest) -> None:
        try:
            self._session = await self._new_session(request)
            self._session.start()
        except ServiceError as error:
            self.outbox.post(error_message(error.code, error.message))
        except (DatabaseError, InterfaceError):
            self.outbox.post(error_message("database_unavailable", "The database does not answer."))
        finally:
            self._heard_s = asyncio.get_running_loop().time()
            self._starting = None

    async def _new_session(self, request: StartRequest) -> StreamSession:
        collection, camera = await in_database_thread(stream_open)(
            access=self.access,
            collection_id=request.collection,
            camera_id=request.camera,
            actor=self.actor,
        )
        await self._await_engine()
        return StreamSession(
            collection=collection,
            camera=camera,
            slot=self._slot,
            sink=self.outbox.post,
            options=request.options,
            caller=self.actor.name,
            on_end=partial(self._ended, asyncio.get_running_loop()),
        )

    async def _await_engine(self) -> None:
        """Tell the client that the engine warms up, and wait; ServiceError if it fails."""
        is_told = False
        while (state := engine_state())["state"] != "ready":
            if state["state"] == "off":
                start_engine()
            elif state["state"] == "failed":
                # Does not wait; builds the engine again if the last attempt was a while ago.
                _try_engine()
            elif not is_told:
                self.outbox.post(status_message("warming_up", state["message"]))
                is_told = True
            await asyncio.sleep(_ENGINE_POLL_S)

    def _ended(self, loop: asyncio.AbstractEventLoop, code: str | None) -> None:
        """Called in the session's thread when it has ended."""
        outbox = self._outbox
        if code is not None and outbox is not None:
            outbox.close_after(Code.NOT_FOUND if code == "not_found" else Code.FAILED)
        try:
            loop.call_soon_threadsafe(self.release)
        except RuntimeError:  # the loop was closed, but its place must be freed
            self.release()


def _try_engine() -> None:
    try:
        get_engine()
    except ServiceError as error:
        if error.code != "engine_warming_up":
            raise


def _id(message: JsonDict, name: str) -> UUID | None:
    value = message.get(name)
    if value is None:
        return None
    try:
        return UUID(value)
    except (ValueError, TypeError, AttributeError) as error:
        raise invalid(f"{name} must be an id.") from error


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
