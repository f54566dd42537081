"""Limits on request bodies: who may send a large one, and how many bytes one process holds.

The decision needs only the headers, so nothing of the body has been read yet. Each admitted body
counts against a limit (a `Room`) until its request is answered. There are two rooms. Bodies of up
to 1 MB use the first one, without signing in. Larger bodies, and small ones for which the first
room is full, use the second one and need a valid session or key.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError

from accounts.known import is_known
from facerec_site.errors import ErrorAnswer, answer_for, refusal_messages
from facerec_site.request_id import HEADER, current_request_id, request_id_for
from recognition.web.boundaries import AsgiDict

logger = logging.getLogger(__name__)

Receive = Callable[[], Awaitable[AsgiDict]]
Send = Callable[[AsgiDict], Awaitable[None]]
Application = Callable[[AsgiDict, Any, Any], Awaitable[None]]

# Bodies up to this size, such as the sign-in form, are not counted.
SMALL_BYTES = 64 * 2**10
# Largest body of a caller who is not signed in, and the limit on all such bodies together.
STRANGERS_BYTES = 2**20
STRANGERS_ROOM_BYTES = 64 * 2**20
# A body must arrive within this time plus its size at the slowest rate.
_ARRIVES_WITHIN_S = 30.0
_SLOWEST_BYTES_PER_S = 16 * 2**10

_NO_LENGTH = ErrorAnswer(411, "length_required", "Send the request with Content-Length.")
_NOT_KNOWN = ErrorAnswer(
    401, "not_authenticated", "Sign in, or send a valid key, to send more than 1 MB."
)
_NO_ROOM = ErrorAnswer(
    503, "server_busy", "Too many large requests arrive just now.", retry_after_s=2
)
_TOO_SLOW = ErrorAnswer(408, "request_timeout", "The request took too long to arrive.")


class Room:
    """A limit on the bytes of several bodies together. Not thread-safe: only the thread of the
    event loop uses it."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.held_bytes = 0

    def take(self, size: int) -> bool:
        if self.held_bytes + size > self.most_bytes:
            return False
        self.held_bytes += size
        return True

    def leave(self, size: int) -> None:
        self.held_bytes -= size


class BodyGate:
    """ASGI middleware for HTTP, in front of Django."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self.strangers = Room(STRANGERS_ROOM_BYTES)
        self.known = Room(max(settings.MAX_BODIES_MB * 2**20, settings.DATA_UPLOAD_MAX_MEMORY_SIZE))

    async def __call__(self, scope: AsgiDict, receive: Receive, send: Send) -> None:
        size = _announced_bytes(scope)
        if size is not None and size <= SMALL_BYTES:
            await self._pass_on(scope, _Arriving(receive, size), send)
            return
        room = await self._admit(scope, size)
        if isinstance(room, ErrorAnswer):
            await _refuse(scope, send, room)
            return
        assert size is not None  # or it was refused
        try:
            await self._pass_on(scope, _Arriving(receive, size), send)
        finally:
            room.leave(size)

    async def _admit(self, scope: AsgiDict, size: int | None) -> Room | ErrorAnswer:
        """The room that the body was counted in, or the error to answer with."""
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        if size is None:
            return _NO_LENGTH
        if size > limit:
            limit_mb = limit // 2**20
            message = f"A request may have {limit_mb} MB at most."
            return ErrorAnswer(413, "request_too_large", message, {"max_mb": limit_mb})
        if size <= STRANGERS_BYTES and self.strangers.take(size):
            return self.strangers
        try:
            may_send = await is_known(scope)
        except (DatabaseError, InterfaceError) as error:
            return answer_for(error)
        if not may_send:
            return _NOT_KNOWN if size > STRANGERS_BYTES else _NO_ROOM
        return self.known if self.known.take(size) else _NO_ROOM

    async def _pass_on(self, scope: AsgiDict, body: _Arriving, send: Send) -> None:
        try:
            await self._application(scope, body, send)
        except TimeoutError:
            if body.is_complete:
                raise
            await _refuse(scope, send, _TOO_SLOW)
        except OSError as error:
            if body.is_complete:
                raise
            # Django writes a large body to a temporary file before it calls the view.
            logger.warning("a body could not be kept: %s", error)
            await _refuse(scope, send, answer_for(error))


class _Arriving:
    """A `receive` that raises TimeoutError if the body takes too long to arrive."""

    def __init__(self, receive: Receive, size: int) -> None:
        self.is_complete = False
        self._receive = receive
        allowed_s = _ARRIVES_WITHIN_S + size / _SLOWEST_BYTES_PER_S
        self._until = asyncio.get_running_loop().time() + allowed_s

    async def __call__(self) -> AsgiDict:
        if self.is_complete:
            return await self._receive()
        async with asyncio.timeout_at(self._until):
            message = await self._receive()
        self.is_complete = not message.get("more_body", False)
        return message


def _announced_bytes(scope: AsgiDict) -> int | None:
    """The value of Content-Length; None if it is missing or not a number."""
    sent = dict(scope["headers"])
    if b"transfer-encoding" in sent:
        return None
    length = sent.get(b"content-length", b"0")
    return int(length) if length.isdigit() else None


async def _refuse(scope: AsgiDict, send: Send, answer: ErrorAnswer) -> None:
    sent = dict(scope["headers"]).get(HEADER.lower().encode(), b"")
    request_id = current_request_id.get() or request_id_for(sent.decode("latin1"))
    for message in refusal_messages(answer, scope["path"], request_id=request_id):
        await send(message)
