"""`/ws/events/`: the feed of events, as they are opened, updated and closed."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Any

from channels.layers import get_channel_layer

from accounts.access import Scope
from accounts.threads import in_database_thread
from recognition.cameras.services.streams import events_watch
from recognition.live.answers import event_message
from recognition.live.limits import StreamLimits
from recognition.live.ws.base import Code, Refused, SiteConsumer
from recognition.live.ws.outbox import encoded
from recognition.notices.feed import Feed
from recognition.notices.payloads import PageMessage
from recognition.notices.publish import ALL_EVENTS, events_group
from recognition.web.process import process

logger = logging.getLogger(__name__)

_JOIN_EVERY = 30  # calls of `watch`
# What the channel layer has for an answer, but for a message that is waited for.
_LAYER_TIMEOUT_S = 3.0
_AWAY = "Live notices are away; try again."
# Notices that a client has not read yet; an erasure alone may be a hundred.
_MOST_UNREAD = 500


class EventsConsumer(SiteConsumer):
    """Notices come from this process, which follows their table; the progress of open visits comes
    from whichever process plays the stream, by the channel layer.

    A client that missed events must know it: the socket is closed once the channel layer fails, or
    too much is unread, and the client reads the list of events when it is connected again.
    """

    scope_needed = Scope.EVENTS
    limits = StreamLimits()
    limit_factor = 4
    _event_groups: tuple[str, ...] = ()

    async def prepare(self) -> None:
        limit = self.access.collection_id
        self._event_groups = (events_group(limit) if limit else ALL_EVENTS,)
        self._until_joining = 0
        self._listening: list[asyncio.Task[None]] = []
        self._loop = asyncio.get_running_loop()
        self._unread: asyncio.Queue[PageMessage] = asyncio.Queue(_MOST_UNREAD)
        self._layer = get_channel_layer()
        self._channel = await self._layer.new_channel("events")
        # Before the socket opens: what happens from then on is told.
        process().part(Feed).join(self._hear)
        try:
            await self._join()
        except Exception as error:  # each error of the layer's client means the same here
            raise Refused(Code.UNAVAILABLE, _AWAY) from error
        await in_database_thread(events_watch)(access=self.access, actor=self.actor)

    async def opened(self) -> None:
        for listen in (self._listen, self._tell_notices):
            self._listening.append(asyncio.create_task(listen()))

    async def watch(self) -> None:
        # A layer drops a channel from its groups when messages lay unread in it for a minute.
        self._until_joining -= 1
        if self._until_joining <= 0:
            await self._join()

    async def disconnect(self, code: int) -> None:
        await super().disconnect(code)
        try:
            async with asyncio.timeout(_LAYER_TIMEOUT_S):
                for group in self._event_groups:
                    await self._layer.group_discard(group, self._channel)
        except Exception as error:
            logger.debug("a socket stays in its group until the group forgets it: %r", error)

    def left(self) -> None:
        process().part(Feed).leave(self._hear)
        for task in getattr(self, "_listening", []):
            task.cancel()
        super().left()

    async def _listen(self) -> None:
        try:
            while self.is_open:
                message = await self._layer.receive(self._channel)
                await self._tell(message["event"])
        except Exception as error:
            logger.debug("a feed of events is closed: %r", error)
            self.outbox.close_after(Code.UNAVAILABLE, _AWAY)

    def _hear(self, message: PageMessage) -> None:
        """In the thread that follows the notices."""
        with suppress(RuntimeError):  # the loop was closed
            self._loop.call_soon_threadsafe(self._keep, message)

    def _keep(self, message: PageMessage) -> None:
        try:
            self._unread.put_nowait(message)
        except asyncio.QueueFull:
            if self.is_open:
                self.outbox.close_after(Code.UNAVAILABLE, "Too much is unread; connect again.")

    async def _tell_notices(self) -> None:
        while self.is_open:
            message = await self._unread.get()
            await self._tell({**message["event"]})

    async def _tell(self, event: dict[str, Any]) -> None:
        # Asked for each one: what the caller may see can change while the socket is open.
        if self.is_open and self.access.may_use_collection(event["collection"]):
            await self.send(text_data=encoded(event_message(event)))

    async def _join(self) -> None:
        self._until_joining = _JOIN_EVERY
        async with asyncio.timeout(_LAYER_TIMEOUT_S):
            for group in self._event_groups:
                await self._layer.group_add(group, self._channel)
