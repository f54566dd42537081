"""`/ws/events/`: the feed of opened, updated and closed events."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from accounts.access import Scope
from accounts.threads import in_database_thread
from recognition.cameras.services.streams import events_watch
from recognition.live.ws.base import Code
from recognition.live.ws.groups import GroupConsumer
from recognition.live.ws.outbox import encoded
from recognition.notices.feed import Feed
from recognition.notices.payloads import PageEvent, PageEventGone, PageMessage
from recognition.notices.publish import ALL_EVENTS, events_group
from recognition.web.boundaries import AsgiDict
from recognition.web.process import process

# Most notices that wait for a slow client; one erasure alone may be a hundred.
_MOST_UNREAD = 500


class EventsConsumer(GroupConsumer):
    """Notices come from this process, which follows their table. The progress of open visits comes
    over the channel layer, from the process that plays the stream.

    A client must know that it missed events: the socket is closed if the channel layer fails or too
    many notices are unread, and the client reads the list of events after it has reconnected.
    """

    scope_needed = Scope.EVENTS
    limit_factor = 4
    _telling: asyncio.Task[None] | None = None

    def groups_to_join(self) -> tuple[str, ...]:
        limit = self.access.collection_id
        return (events_group(limit) if limit else ALL_EVENTS,)

    async def prepare(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._unread: asyncio.Queue[PageMessage] = asyncio.Queue(_MOST_UNREAD)
        # Before the socket opens, so that no later notice is missed.
        process().part(Feed).join(self._hear)
        await super().prepare()
        await in_database_thread(events_watch)(access=self.access, actor=self.actor)

    async def opened(self) -> None:
        await super().opened()
        self._telling = asyncio.create_task(self._tell_notices())

    def left(self) -> None:
        process().part(Feed).leave(self._hear)
        if self._telling is not None:
            self._telling.cancel()
        super().left()

    async def pass_on(self, message: AsgiDict) -> None:
        await self._tell(message["event"])

    def _hear(self, message: PageMessage) -> None:
        """Called in the thread that follows the notices."""
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
            await self._tell(message["event"])

    async def _tell(self, event: PageEvent | PageEventGone) -> None:
        # Checked for each notice: the caller's rights can change while the socket is open.
        if self.is_open and self.access.may_use_collection(event["collection"]):
            await self.send(text_data=encoded({"type": "event", "event": event}))
