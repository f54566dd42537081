"""Who may open which websocket, and for how long."""

from __future__ import annotations

from typing import Any

import pytest
from channels.db import database_sync_to_async

from accounts.access import Role, Scope
from accounts.models import ApiKey, AuditEntry, User
from recognition.cameras.models import Camera
from recognition.live.limits import stream_limits
from recognition.live.ws import base
from recognition.live.ws.events import EventsConsumer
from recognition.people.models import Collection
from tests.factories import make_camera, make_user
from tests.recognition.live.ws.sockets import issue_key, new_socket, opened, sign_in

pytestmark = pytest.mark.django_db(transaction=True)

OWN_ORIGIN = (("origin", "http://localhost"),)


@pytest.fixture
def camera(collection: Collection) -> Camera:
    return make_camera(collection)


@pytest.fixture
def paths(camera: Camera) -> dict[str, str]:
    return {
        Scope.IDENTIFY: "/ws/live/",
        Scope.EVENTS: "/ws/events/",
        "camera": f"/ws/cameras/{camera.pk}/",
    }


async def _close_code(path: str, **options: Any) -> int:
    async with opened(path, **options) as socket:
        return await socket.closed_with()


async def test_socket_without_sign_in_is_refused(paths: dict[str, str]) -> None:
    for path in paths.values():
        assert await _close_code(path) == 4401
        assert await _close_code(path, secret="frk_wrong") == 4401


async def test_socket_of_a_key_without_the_scope_is_refused(paths: dict[str, str]) -> None:
    other = await issue_key(Scope.DETECT, Scope.VERIFY, Scope.ENROL, Scope.MANAGE)
    for path in paths.values():
        assert await _close_code(path, secret=other) == 4403
    assert await _close_code("/ws/events/", secret=await issue_key(Scope.IDENTIFY)) == 4403
    assert await _close_code("/ws/live/", secret=await issue_key(Scope.EVENTS)) == 4403


async def test_a_key_of_another_collection_sees_no_camera(
    paths: dict[str, str], collection: Collection
) -> None:
    other = await database_sync_to_async(Collection.objects.create)(
        name="Other", embedder=collection.embedder
    )
    secret = await issue_key(Scope.IDENTIFY, collection=other)
    assert await _close_code(paths["camera"], secret=secret) == 4404


async def test_socket_from_a_page_of_another_site_is_refused(paths: dict[str, str]) -> None:
    user = await database_sync_to_async(make_user)(Role.VIEWER)
    session = await sign_in(user)
    for path in paths.values():
        async with opened(path, session=session, headers=OWN_ORIGIN):
            pass
        for origin in ((("origin", "http://evil.example"),), ()):
            assert await _close_code(path, session=session, headers=origin) == 4401


async def test_a_key_may_come_as_a_subprotocol() -> None:
    secret = await issue_key(Scope.EVENTS)
    key = f"facerec.key.{secret}"
    for offered, chosen in (((key,), key), (("facerec", key), "facerec")):
        socket = new_socket("/ws/events/", subprotocols=offered)
        assert await socket.connect() == (True, chosen)
        await socket.disconnect()


async def test_the_audit_log_tells_who_watches_and_from_where(
    paths: dict[str, str], collection: Collection
) -> None:
    secret = await issue_key(Scope.IDENTIFY, Scope.EVENTS, collection=collection)
    for path in (paths[Scope.EVENTS], paths["camera"]):
        async with opened(path, secret=secret, client="2001:db8::7"):
            pass
    async with opened("/ws/events/", secret=secret, client="/run/facerec.sock"):
        pass
    found = AuditEntry.objects.order_by("id").values_list("action", "address", "collection_id")
    assert [entry async for entry in found] == [
        ("events.watch", "2001:db8::7", collection.pk),
        ("camera.watch", "2001:db8::7", collection.pk),
        ("events.watch", None, collection.pk),
    ]


async def test_socket_at_an_unknown_address_is_refused() -> None:
    socket = new_socket("/ws/elsewhere/", secret=await issue_key(Scope.EVENTS))
    is_open, _ = await socket.connect()
    assert not is_open


async def test_one_caller_opens_a_few_streams(settings: Any) -> None:
    settings.MAX_STREAMS_PER_CALLER, settings.MAX_STREAMS = 1, 2
    ann, bob, cleo = [await issue_key(Scope.IDENTIFY) for _ in range(3)]
    async with opened("/ws/live/", secret=ann), opened("/ws/live/", secret=bob):
        assert await _close_code("/ws/live/", secret=ann) == 4429
        assert await _close_code("/ws/live/", secret=cleo) == 4429
    async with opened("/ws/live/", secret=ann):
        pass
    assert stream_limits("LiveConsumer").total == 0


async def test_refused_sockets_are_not_counted() -> None:
    assert await _close_code("/ws/events/") == 4401
    assert stream_limits("EventsConsumer").total == 0


@pytest.fixture
def checked_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "WATCH_EVERY_S", 0.02)
    monkeypatch.setattr(base, "CHECK_ACCESS_EVERY_S", 0.02)


async def test_a_key_that_is_switched_off_ends_its_sockets(checked_soon: None) -> None:
    secret = await issue_key(Scope.EVENTS)
    async with opened("/ws/events/", secret=secret) as socket:
        assert await socket.receive_nothing(0.2)
        await database_sync_to_async(ApiKey.objects.update)(is_active=False)
        assert await socket.closed_with() == 4401


async def test_a_channel_layer_that_is_away_keeps_no_socket_from_being_checked(
    checked_soon: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(consumer: EventsConsumer) -> None:
        raise ConnectionError("no Redis")

    monkeypatch.setattr(EventsConsumer, "watch", away)
    secret = await issue_key(Scope.EVENTS)
    async with opened("/ws/events/", secret=secret) as socket:
        assert await socket.receive_nothing(0.2)
        await database_sync_to_async(ApiKey.objects.update)(is_active=False)
        assert await socket.closed_with() == 4401


async def test_a_scope_that_is_taken_away_ends_the_socket(checked_soon: None) -> None:
    secret = await issue_key(Scope.EVENTS)
    async with opened("/ws/events/", secret=secret) as socket:
        await database_sync_to_async(ApiKey.objects.update)(scopes=[Scope.DETECT])
        assert await socket.closed_with() == 4403


@pytest.mark.parametrize("change", ["sign out", "password", "switch off"])
async def test_signing_out_ends_the_sockets_of_the_browser(checked_soon: None, change: str) -> None:
    user: User = await database_sync_to_async(make_user)(Role.VIEWER)
    session = await sign_in(user)

    def apply() -> None:
        from django.contrib.sessions.models import Session

        if change == "sign out":
            Session.objects.all().delete()
        elif change == "password":
            user.set_password("another-pass-word-2")
            user.save()
        else:
            User.objects.update(is_active=False)

    async with opened("/ws/events/", session=session, headers=OWN_ORIGIN) as socket:
        assert await socket.receive_nothing(0.2)
        await database_sync_to_async(apply)()
        assert await socket.closed_with() == 4401
