"""Shared by all websockets: access, limits, and time limits."""

from __future__ import annotations

import asyncio
import logging
from enum import IntEnum
from typing import Any

from channels.consumer import get_handler_name
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.db import DatabaseError, InterfaceError

from accounts.access import Access
from accounts.audit import Actor
from accounts.websocket import UNAVAILABLE, answered_subprotocol
from recognition.live.answers import error_message
from recognition.live.limits import TooMany, stream_limits
from recognition.live.ws.access import access_now
from recognition.live.ws.outbox import Closing, Outbox
from recognition.notices import publish
from recognition.web.boundaries import AsgiDict

logger = logging.getLogger(__name__)

WATCH_EVERY_S = 1.0
CHECK_ACCESS_EVERY_S = 30.0


class Code(IntEnum):
    """Close codes."""

    FAILED = 1011
    NOT_SIGNED_IN = 4401
    NOT_ALLOWED = 4403
    NOT_FOUND = 4404
    IDLE = 4408
    TOO_LARGE = 4413
    TOO_MANY = 4429
    UNAVAILABLE = UNAVAILABLE


class Refused(Exception):
    """The socket is closed with a code; the message is for people."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class SiteConsumer(AsyncWebsocketConsumer):
    """A subclass names the scope and the limits, and implements `prepare`, `opened`, `hear`,
    `watch` and `left`.

    A handshake can only be refused with an HTTP status, which a browser does not show to the page;
    so a refused socket is opened first, and then closed with its code.
    """

    # Channels itself must not listen to a layer, as a failing layer would close every socket. A
    # consumer that needs the layer listens by itself.
    channel_layer_alias = ""
    scope_needed: str
    # Limit on sockets of this kind, as a multiple of the limits on streams.
    limit_factor = 1

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.is_open = False
        self._limits = stream_limits(type(self).__name__)
        self._counted_as: str | None = None
        self._outbox: Outbox | None = None
        self._watching: asyncio.Task[None] | None = None
        self._has_left = False

    @property
    def access(self) -> Access:
        return self.scope["access"]

    @property
    def actor(self) -> Actor:
        return Actor.of_scope(self.scope)

    @property
    def outbox(self) -> Outbox:
        assert self._outbox is not None  # once it is open
        return self._outbox

    async def prepare(self) -> None:
        """Called before the socket opens; may raise Refused."""

    async def opened(self) -> None:
        """Called once the socket is open."""

    async def hear(self, text: str | None, data: bytes | None) -> None:
        """A message of the client; nothing that takes time. Most sockets take none: a client that
        believes it has chosen something must learn that it has not."""
        self.outbox.post(error_message("invalid_message", "This socket takes no messages."))

    async def watch(self) -> None:
        """Called once a second; may raise Refused."""

    def left(self) -> None:
        """Called once when the socket is gone, also if it never opened."""
        self.release()

    async def __call__(self, scope: AsgiDict, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._leave()

    async def dispatch(self, message: AsgiDict) -> None:
        # The base class would go through the only database thread of the process for each frame.
        handler = getattr(self, get_handler_name(message), None)
        if handler is None:
            raise ValueError(f"There is no handler for {message['type']}.")
        await handler(message)

    async def connect(self) -> None:
        # This loop sends events to the clients of this process.
        publish.set_loop(asyncio.get_running_loop())
        refusal: Refused | None = None
        try:
            self._admit()
            await self.prepare()
        except Refused as refused:
            refusal = refused
        except (DatabaseError, InterfaceError):
            refusal = Refused(Code.UNAVAILABLE, "The database does not answer.")
        except Exception:
            logger.exception("a websocket could not be opened")
            refusal = Refused(Code.FAILED, "The server failed; see its log.")
        await self.accept(subprotocol=answered_subprotocol(self.scope))
        if refusal is not None:
            await self._turn_away(refusal)
            return
        self._outbox = Outbox(self._deliver)
        self.is_open = True
        self._watching = asyncio.create_task(self._keep_watch())
        await self.opened()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if not self.is_open:
            return
        try:
            await self.hear(text_data, bytes_data)
        except Refused as refused:
            await self._turn_away(refused)

    async def disconnect(self, code: int) -> None:
        self._leave()

    def release(self) -> None:
        """Stop counting this socket for the limits."""
        if self._counted_as is not None:
            self._limits.leave(self._counted_as)
            self._counted_as = None

    def _admit(self) -> None:
        _check(self.access, self.scope_needed)
        caller = self.access.name
        try:
            self._limits.enter(
                caller,
                most=settings.MAX_STREAMS * self.limit_factor,
                most_per_caller=settings.MAX_STREAMS_PER_CALLER * self.limit_factor,
            )
        except TooMany as error:
            raise Refused(Code.TOO_MANY, str(error)) from error
        self._counted_as = caller

    async def _deliver(self, item: str | Closing) -> None:
        if isinstance(item, Closing):
            self.is_open = False
            await self.close(int(item.code), item.reason)
        else:
            await self.send(text_data=item)

    async def _turn_away(self, refused: Refused) -> None:
        self.is_open = False
        await self.close(int(refused.code), refused.message)

    async def _keep_watch(self) -> None:
        loop = asyncio.get_running_loop()
        next_check = loop.time() + CHECK_ACCESS_EVERY_S
        while self.is_open:
            await asyncio.sleep(WATCH_EVERY_S)
            try:
                if loop.time() >= next_check:
                    next_check = loop.time() + CHECK_ACCESS_EVERY_S
                    await self._check_access()
                await self.watch()
            except Refused as refused:
                await self._turn_away(refused)
            except Exception as error:
                # An error of the database or of the channel layer: the next check comes later.
                logger.warning("a websocket could not be checked: %r", error)

    async def _check_access(self) -> None:
        now = await access_now(self.scope)
        _check(now, self.scope_needed)
        self.scope["access"] = now

    def _leave(self) -> None:
        if self._has_left:
            return
        self._has_left = True
        self.is_open = False
        if self._watching is not None:
            self._watching.cancel()
        if self._outbox is not None:
            self._outbox.stop()
        self.left()


def _check(access: Access, scope: str) -> None:
    if not access.is_signed_in:
        raise Refused(Code.NOT_SIGNED_IN, "Sign in first.")
    if not access.may(scope):
        raise Refused(Code.NOT_ALLOWED, "You may not do this.")
