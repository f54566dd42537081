"""`/ws/events/`: the feed of events, as they are opened, updated and closed."""

from __future__ import annotations

from typing import Any

from channels.db import database_sync_to_async

from accounts.access import Scope
from recognition.cameras.services.streams import events_watch
from recognition.live.answers import event_message
from recognition.live.ws.base import SiteConsumer
from recognition.live.ws.outbox import encoded
from recognition.notices.publish import ALL_EVENTS, events_group

_JOIN_EVERY = 30  # calls of `watch`


class EventsConsumer(SiteConsumer):
    scope_needed = Scope.EVENTS
    limit_factor = 4

    async def prepare(self) -> None:
        # Before the socket opens: what happens from then on is told.
        limit = self.access.collection_id
        self.groups = [events_group(limit) if limit else ALL_EVENTS]
        self._until_joining = 0
        await database_sync_to_async(events_watch)(access=self.access, actor=self.actor)
        await self._join()

    async def watch(self) -> None:
        # A layer drops a channel from its groups when messages lay unread in it for a minute.
        self._until_joining -= 1
        if self._until_joining <= 0:
            await self._join()

    async def event_published(self, message: dict[str, Any]) -> None:
        event = message["event"]
        # Asked for each one: what the caller may see can change while the socket is open.
        if self.is_open and self.access.may_use_collection(event["collection"]):
            await self.send(text_data=encoded(event_message(event)))

    async def _join(self) -> None:
        self._until_joining = _JOIN_EVERY
        for group in self.groups:
            await self.channel_layer.group_add(group, self.channel_name)
