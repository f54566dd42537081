"""A websocket that passes on messages of channel layer groups."""

from __future__ import annotations

import asyncio
import logging

from channels.layers import get_channel_layer

from recognition.live.ws.base import Code, Refused, SiteConsumer
from recognition.web.boundaries import AsgiDict

logger = logging.getLogger(__name__)

_JOIN_EVERY = 30  # calls of `watch`
# Time limit for calls of the channel layer, except for receiving. Longer than its own limit for a
# connection, shorter than the server's limit for a handshake.
_LAYER_TIMEOUT_S = 10.0
AWAY = "Live notices are away; try again."


class GroupConsumer(SiteConsumer):
    """A subclass names the groups and passes messages on.

    A client must know that it missed messages: the socket is closed if the channel layer fails, and
    the client reads the rows after it has reconnected.
    """

    _groups: tuple[str, ...] = ()
    _listening: asyncio.Task[None] | None = None

    def groups_to_join(self) -> tuple[str, ...]:
        """Called once, before the socket opens."""
        raise NotImplementedError

    async def pass_on(self, message: AsgiDict) -> None:
        """Called with a message of a group. The caller's rights can change while the socket is
        open."""
        raise NotImplementedError

    async def prepare(self) -> None:
        self._groups = self.groups_to_join()
        self._until_joining = 0
        self._layer = get_channel_layer()
        self._channel = await self._layer.new_channel("groups")
        # Before the socket opens, so that no later message is missed.
        await self._join()

    async def opened(self) -> None:
        self._listening = asyncio.create_task(self._listen())

    async def watch(self) -> None:
        # A layer removes a channel from its groups if messages stay unread in it for a minute.
        self._until_joining -= 1
        if self._until_joining <= 0:
            await self._join()

    async def disconnect(self, code: int) -> None:
        await super().disconnect(code)
        try:
            async with asyncio.timeout(_LAYER_TIMEOUT_S):
                for group in self._groups:
                    await self._layer.group_discard(group, self._channel)
        except Exception as error:
            logger.debug("a socket stays in its group until the group forgets it: %r", error)

    def left(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
        super().left()

    async def _listen(self) -> None:
        try:
            while self.is_open:
                await self.pass_on(await self._layer.receive(self._channel))
        except Exception as error:
            logger.debug("a socket is closed, for its groups are away: %r", error)
            self.outbox.close_after(Code.UNAVAILABLE, AWAY)

    async def _join(self) -> None:
        """Refused if the layer is away."""
        self._until_joining = _JOIN_EVERY
        try:
            async with asyncio.timeout(_LAYER_TIMEOUT_S):
                for group in self._groups:
                    await self._layer.group_add(group, self._channel)
        except Exception as error:  # every error of the layer's client means the same here
            raise Refused(Code.UNAVAILABLE, AWAY) from error
