"""`/ws/events/`: clients are told what they may see, whichever thread it happened in."""

from __future__ import annotations

import asyncio
import os
from typing import Any
from uuid import uuid4

import pytest
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer

from accounts.access import Scope
from recognition.live.ws import events as feed
from recognition.live.ws import groups
from recognition.live.ws.base import Code
from recognition.live.ws.events import EventsConsumer
from recognition.notices import publish
from recognition.people.models import Collection
from recognition.people.services.persons import person_erase
from recognition.web.process import process
from tests.factories import ACTOR, make_collection, make_event, make_person, seen, update_event
from tests.recognition.live.ws.sockets import issue_key, opened
from tests.recognition.notices.following import start_following

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _following(monkeypatch: pytest.MonkeyPatch) -> None:
    start_following(monkeypatch)


async def test_events_socket_sends_events_as_they_happen(collection: Collection) -> None:
    async with opened("/ws/events/", secret=await issue_key(Scope.EVENTS)) as socket:
        event = await database_sync_to_async(make_event)(collection)
        told = await socket.hear()
        assert told["type"] == "event"
        assert told["event"]["id"] == str(event.pk)
        assert (told["event"]["kind"], told["event"]["is_open"]) == ("opened", True)
        await database_sync_to_async(update_event)(
            event, seen(), ended_at=event.ended_at, is_open=False
        )
        assert (await socket.hear())["event"]["kind"] == "closed"


async def test_events_of_any_thread_arrive_at_once(collection: Collection) -> None:
    async with opened("/ws/events/", secret=await issue_key(Scope.EVENTS)) as socket:
        payload = {"id": "1", "collection": str(collection.pk), "kind": "opened"}
        await asyncio.to_thread(publish.publish_event, payload, collection_id=collection.pk)
        assert (await socket.hear())["event"] == payload


async def test_a_limited_key_hears_its_own_collection(collection: Collection) -> None:
    other = await database_sync_to_async(make_collection)()
    limited = await issue_key(Scope.EVENTS, collection=collection)
    async with opened("/ws/events/", secret=limited) as socket:
        await database_sync_to_async(make_event)(other)
        mine = await database_sync_to_async(make_event)(collection)
        assert (await socket.hear())["event"]["id"] == str(mine.pk)
        assert await socket.receive_nothing(0.2)


async def test_limited_key_hears_no_events_of_other_collections(
    collection: Collection,
) -> None:
    limited = await issue_key(Scope.EVENTS, collection=collection)
    async with opened("/ws/events/", secret=limited) as socket:
        group = publish.events_group(collection.pk)
        for event in (
            {"id": "1", "collection": str(uuid4())},
            {"id": "2", "collection": str(collection.pk)},
        ):
            message = {"type": "event.published", "event": event}
            await get_channel_layer().group_send(group, message)
        assert (await socket.hear())["event"]["id"] == "2"


async def test_caller_who_sees_all_collections_hears_an_event_once(collection: Collection) -> None:
    async with opened("/ws/events/", secret=await issue_key(Scope.EVENTS)) as socket:
        await database_sync_to_async(make_event)(collection)
        await socket.hear()
        assert await socket.receive_nothing(0.2)


@pytest.mark.redis
async def test_events_go_through_redis_as_well(collection: Collection, settings: Any) -> None:
    url = os.environ.get("REDIS_URL_TEST")
    if not url:
        pytest.skip("no Redis: set REDIS_URL_TEST, or use `make test`")
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            "CONFIG": {"hosts": [url], "prefix": uuid4().hex},
        }
    }
    async with opened("/ws/events/", secret=await issue_key(Scope.EVENTS)) as socket:
        event = await database_sync_to_async(make_event)(collection)
        assert (await socket.hear())["event"]["id"] == str(event.pk)


async def test_events_socket_is_closed_with_4503_without_the_channel_layer(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise ConnectionError("away")

    secret = await issue_key(Scope.EVENTS)
    monkeypatch.setattr(get_channel_layer(), "group_add", fail)
    async with opened("/ws/events/", secret=secret) as socket:
        assert await socket.closed_with() == 4503


async def test_feed_whose_groups_are_lost_while_it_is_open_is_closed(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A layer drops channels from groups: a feed joins again, or its client must know."""

    async def fail(*_: object) -> None:
        raise ConnectionError("away")

    monkeypatch.setattr(groups, "_JOIN_EVERY", 1)
    async with opened("/ws/events/", secret=await issue_key(Scope.EVENTS)) as socket:
        monkeypatch.setattr(get_channel_layer(), "group_add", fail)
        assert await socket.closed_with() == 4503


async def test_client_that_missed_notices_is_asked_to_reconnect(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "_MOST_UNREAD", 3)

    async def stall(*_: object) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(EventsConsumer, "_tell", stall)
    async with opened("/ws/events/", secret=await issue_key(Scope.EVENTS)) as socket:
        for _ in range(6):
            await database_sync_to_async(make_event)(collection)
        assert await socket.closed_with() == Code.UNAVAILABLE


async def test_events_socket_sends_every_event_of_an_erasure(collection: Collection) -> None:
    """A client that reads is told all events, however many there are."""
    person = await database_sync_to_async(make_person)(collection)
    for _ in range(70):
        await database_sync_to_async(make_event)(person=person)
    async with opened("/ws/events/", secret=await issue_key(Scope.EVENTS)) as socket:
        await database_sync_to_async(person_erase)(person=person, actor=ACTOR)
        changed: set[str] = set()
        while len(changed) < 70:
            event = (await socket.hear())["event"]
            # The message about the last one may still be on its way.
            if event["kind"] == "updated":
                changed.add(event["id"])


async def test_publishing_without_the_channel_layer_never_raises(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Broken:
        async def group_send(self, group: str, message: dict[str, Any]) -> None:
            raise ConnectionError("away")

    monkeypatch.setattr(publish, "get_channel_layer", Broken)
    publish.set_loop(asyncio.get_running_loop())
    for _ in range(publish._MOST_UNDER_WAY + 10):
        publish.publish_event({"id": "1"}, collection_id="c")
    await asyncio.sleep(0.3)
    # All of them are over: there is room again.
    room = process().part(publish.Publisher)._room
    assert room.acquire(blocking=False)
    room.release()


async def test_publishing_without_a_server_does_nothing() -> None:
    publish.set_loop(None)
    publish.publish_event({"id": "1"}, collection_id="c")


@pytest.mark.parametrize("path", ["/ws/events/", "/ws/jobs/"])
async def test_a_message_of_the_client_is_refused(collection: Collection, path: str) -> None:
    """A client with a wrong filter must learn that it is wrong."""
    async with opened(path, secret=await issue_key(Scope.EVENTS, Scope.MANAGE)) as socket:
        await socket.tell(type="subscribe", collection=str(collection.pk))
        answer = await socket.hear()
        assert (answer["type"], answer["code"]) == ("error", "invalid_message")
