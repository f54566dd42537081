"""`/ws/live/` as a client sees it."""

from __future__ import annotations

import asyncio
import threading
from typing import Any
from uuid import uuid4

import numpy as np
import psutil
import pytest
from channels.db import database_sync_to_async

from accounts.access import Scope
from accounts.models import AuditEntry
from ml_engine.images import encode_jpeg
from recognition.cameras.sources import FILE
from recognition.engine import use_engine
from recognition.events.models import Event
from recognition.live.limits import stream_limits
from recognition.live.session import StreamSession
from recognition.live.writer import visit_writer
from recognition.live.ws import base, live
from recognition.people.models import Collection, Person
from tests.factories import enrol, make_camera, make_collection, make_person
from tests.fakes import FakeEngine, photo
from tests.pictures import BAD, bomb, one_pixel
from tests.recognition.live.streams import until
from tests.recognition.live.ws.sockets import Socket, issue_key, opened

pytestmark = pytest.mark.django_db(transaction=True)

ANN, STRANGER = 11, 33


@pytest.fixture
def ann(engine: FakeEngine, collection: Collection) -> Person:
    person = make_person(collection, name="Ann")
    enrol(person, ANN)
    return person


@pytest.fixture
async def secret() -> str:
    return await issue_key(Scope.IDENTIFY)


async def _answers(socket: Socket, *frames: bytes) -> list[dict[str, Any]]:
    """One after the other, as a page sends them; events left out."""
    answers = []
    for frame in frames:
        # Not `send_to`, which sends no empty message.
        await socket.send_input({"type": "websocket.receive", "bytes": frame})
        while (answer := await socket.hear())["type"] == "event":
            pass
        answers.append(answer)
    return answers


async def _nobody_is_left() -> None:
    """Wait until the streams' threads have ended."""
    await asyncio.to_thread(until, lambda: stream_limits("LiveConsumer").total == 0)


async def _leave(socket: Socket) -> None:
    """Close, and wait until the stream's thread has ended and its visits are written."""
    await socket.disconnect()
    await _nobody_is_left()
    assert await asyncio.to_thread(visit_writer().flush, 10)


async def test_a_stream_names_a_face_and_tells_the_event(
    ann: Person, collection: Collection, secret: str
) -> None:
    sent = {"client": "192.0.2.7", "headers": (("x-request-id", "socket-1"),)}
    async with opened("/ws/live/", secret=secret, **sent) as socket:
        started = await socket.start(collection=str(collection.pk), camera=None, options={})
        assert started.keys() == {"type", "session", "model", "device"}
        answers = []
        for _ in range(4):  # a name settles after 0.2 s
            answers += await _answers(socket, photo(ANN, looks=1))
            await asyncio.sleep(0.1)
        assert [answer["frame"] for answer in answers] == [0, 1, 2, 3]
        assert answers[0]["faces"][0]["decision"] == "pending"
        assert answers[-1]["faces"][0]["person"]["name"] == "Ann"
        await _leave(socket)
    event = await Event.objects.select_related("person").aget()
    assert event.person == ann
    entry = await AuditEntry.objects.aget(action="stream.start")
    assert (entry.address, entry.request_id) == ("192.0.2.7", "socket-1")


async def test_collection_may_be_left_out_if_there_is_one(
    engine: FakeEngine, collection: Collection, secret: str
) -> None:
    async with opened("/ws/live/", secret=secret) as socket:
        await socket.start()
        await _leave(socket)


async def test_a_key_sees_its_own_collection_only(
    engine: FakeEngine, collection: Collection
) -> None:
    other = await database_sync_to_async(make_collection)()
    limited = await issue_key(Scope.IDENTIFY, collection=collection)
    async with opened("/ws/live/", secret=limited) as socket:
        await socket.tell(type="session.start", collection=str(other.pk))
        assert (await socket.hear())["code"] == "not_found"
        # The socket is still good.
        await socket.start(collection=str(collection.pk))
        await _leave(socket)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"type": "session.stop"}, "invalid_message"),
        ({"type": "session.start", "collection": "main"}, "invalid_message"),
        ({"type": "session.start", "collection": 7}, "invalid_message"),
        ({"type": "session.start", "options": {"colour": "red"}}, "invalid_message"),
        ({"type": "session.start", "colection": None}, "invalid_message"),
        ({"type": "session.start", "collection": ""}, "invalid_message"),
        ({"type": "session.start", "options": {"max_fps": "fast"}}, "invalid_message"),
        ({"type": "session.start", "options": {"max_fps": True}}, "invalid_message"),
        ({"type": "session.start", "options": {"max_fps": 0.9}}, "invalid_message"),
        ({"type": "session.start", "options": {"min_face_px": 5}}, "invalid_message"),
        ({"type": "session.start", "options": []}, "invalid_message"),
        ({"type": "session.start", "collection": str(uuid4())}, "not_found"),
        ({"type": "session.start", "camera": str(uuid4())}, "not_found"),
    ],
)
async def test_a_wrong_start_is_answered_and_can_be_put_right(
    engine: FakeEngine,
    collection: Collection,
    secret: str,
    message: dict[str, Any],
    code: str,
) -> None:
    async with opened("/ws/live/", secret=secret) as socket:
        await socket.tell(**message)
        answer = await socket.hear()
        assert (answer["type"], answer["code"]) == ("error", code)
        await socket.start()
        await _leave(socket)


@pytest.mark.parametrize("text", ["hello", "[" * 16_000], ids=["a word", "nested deeply"])
async def test_live_socket_answers_text_that_is_no_json(secret: str, text: str) -> None:
    async with opened("/ws/live/", secret=secret) as socket:
        await socket.send_to(text_data=text)
        assert (await socket.hear())["code"] == "invalid_message"


async def test_second_start_of_a_live_session_is_refused(
    engine: FakeEngine, collection: Collection, secret: str
) -> None:
    async with opened("/ws/live/", secret=secret) as socket:
        await socket.start()
        await socket.tell(type="session.start")
        assert (await socket.hear())["code"] == "already_started"
        await _leave(socket)


async def test_frames_before_the_start_are_counted_and_refused(
    engine: FakeEngine, collection: Collection, secret: str
) -> None:
    async with opened("/ws/live/", secret=secret) as socket:
        (answer,) = await _answers(socket, photo(1))
        assert (answer["code"], answer["frame"]) == ("not_started", 0)
        await socket.start()
        (answer,) = await _answers(socket, photo(1))
        assert (answer["type"], answer["frame"]) == ("faces", 1)
        await _leave(socket)


async def test_bad_frames_are_answered_and_the_session_goes_on(
    ann: Person, collection: Collection, secret: str
) -> None:
    async with opened("/ws/live/", secret=secret) as socket:
        await socket.start()
        bad = await _answers(socket, *[make(photo(ANN)) for make, _ in BAD.values()])
        told = [(answer["type"], answer["code"], answer["reason"]) for answer in bad]
        assert told == [("error", "bad_frame", reason) for _, reason in BAD.values()]
        assert [answer["frame"] for answer in bad] == list(range(len(BAD)))
        assert all(answer["message"] for answer in bad)
        (good,) = await _answers(socket, photo(STRANGER))
        assert (good["type"], good["frame"], len(good["faces"])) == ("faces", len(BAD), 1)
        await _leave(socket)
    assert not await Event.objects.aexists()


async def test_decompression_bomb_in_a_frame_is_refused_before_decoding(
    engine: FakeEngine, collection: Collection, secret: str
) -> None:
    process = psutil.Process()
    async with opened("/ws/live/", secret=secret) as socket:
        await socket.start()
        await _answers(socket, photo(1))
        frame, before = bomb(), process.memory_info().rss
        for _ in range(5):
            (answer,) = await _answers(socket, frame)
            assert answer["reason"] == "too_many_pixels"
        assert process.memory_info().rss - before < 20e6
        await _leave(socket)


async def test_a_frame_without_a_face_is_an_answer_too(
    engine: FakeEngine, collection: Collection, secret: str
) -> None:
    async with opened("/ws/live/", secret=secret) as socket:
        await socket.start()
        for answer in await _answers(socket, portrait_without_faces(), one_pixel()):
            assert (answer["type"], answer["faces"]) == ("faces", [])
        await _leave(socket)


def portrait_without_faces() -> bytes:
    return encode_jpeg(np.zeros((120, 160, 3), np.uint8))


async def test_frame_over_the_limit_is_refused_and_the_stream_goes_on(
    engine: FakeEngine, collection: Collection, secret: str, settings: Any
) -> None:
    settings.MAX_FRAME_BYTES = 5000
    async with opened("/ws/live/", secret=secret) as socket:
        await socket.start()
        await socket.send_to(bytes_data=bytes(5001))
        refused = await socket.hear()
        assert (refused["code"], refused["frame"]) == ("frame_too_large", 0)
        assert refused["limit"] == 5000
        await socket.send_to(bytes_data=bytes(5000))
        answer = await socket.hear()
        assert (answer["code"], answer["frame"]) == ("bad_frame", 1)
        await _leave(socket)
    await _nobody_is_left()


async def test_a_text_that_is_too_long_ends_the_socket(secret: str) -> None:
    async with opened("/ws/live/", secret=secret) as socket:
        await socket.send_to(text_data="x" * 20_000)
        assert await socket.closed_with() == 4413


async def test_an_idle_socket_is_closed(
    secret: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.STREAM_IDLE_S = 0.2
    monkeypatch.setattr(base, "WATCH_EVERY_S", 0.02)
    async with opened("/ws/live/", secret=secret) as socket:
        assert await socket.closed_with() == 4408


async def test_a_socket_that_sends_frames_is_not_idle(
    engine: FakeEngine,
    collection: Collection,
    secret: str,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.STREAM_IDLE_S = 0.5
    monkeypatch.setattr(base, "WATCH_EVERY_S", 0.02)
    async with opened("/ws/live/", secret=secret) as socket:
        await socket.start()
        for _ in range(8):
            (answer,) = await _answers(socket, photo(1))
            assert answer["type"] == "faces"
            await asyncio.sleep(0.1)
        await _leave(socket)


async def test_a_start_waits_for_the_engine(
    collection: Collection, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = {"state": "warming_up", "message": "The engine is warming up.", "device": ""}
    monkeypatch.setattr(live, "engine_state", lambda: state)
    async with opened("/ws/live/", secret=secret) as socket:
        await socket.tell(type="session.start")
        told = await socket.hear()
        assert (told["type"], told["state"]) == ("status", "warming_up")
        # A frame that comes meanwhile is processed afterwards.
        await socket.send_to(bytes_data=photo(1))
        assert await socket.receive_nothing(0.3)
        use_engine(FakeEngine())
        state["state"] = "ready"
        assert (await socket.hear())["type"] == "session.started"
        assert (await socket.hear())["frame"] == 0
        await _leave(socket)


async def test_live_socket_reports_a_failed_engine(
    collection: Collection, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recognition.web.errors import ServiceError

    def fails() -> Any:
        raise ServiceError("engine_failed", "Weights are missing.", status=503)

    monkeypatch.setattr(live, "engine_state", lambda: {"state": "failed", "message": ""})
    monkeypatch.setattr(live, "get_engine", fails)
    async with opened("/ws/live/", secret=secret) as socket:
        await socket.tell(type="session.start")
        answer = await socket.hear()
        assert (answer["code"], answer["message"]) == ("engine_failed", "Weights are missing.")


async def test_a_stream_of_a_camera_is_filed_under_it(
    ann: Person, collection: Collection, secret: str
) -> None:
    camera = await database_sync_to_async(make_camera)(collection, name="Desk", max_fps=60)
    async with opened("/ws/live/", secret=secret) as socket:
        await socket.start(camera=str(camera.pk))
        await _answers(socket, *[photo(ANN, looks=1)] * 4)
        await _leave(socket)
    event = await Event.objects.select_related("camera").aget()
    assert event.camera == camera


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"kind": FILE}, "not_a_browser_camera"),
        ({"is_enabled": False}, "camera_disabled"),
    ],
)
async def test_a_camera_that_takes_no_frames_is_refused(
    collection: Collection, secret: str, values: dict[str, Any], code: str
) -> None:
    camera = await database_sync_to_async(make_camera)(collection, **values)
    async with opened("/ws/live/", secret=secret) as socket:
        await socket.tell(type="session.start", camera=str(camera.pk))
        assert (await socket.hear())["code"] == code


async def test_a_camera_belongs_to_its_collection(collection: Collection, secret: str) -> None:
    camera = await database_sync_to_async(make_camera)(collection)
    other = await database_sync_to_async(make_collection)()
    async with opened("/ws/live/", secret=secret) as socket:
        await socket.tell(type="session.start", camera=str(camera.pk), collection=str(other.pk))
        assert (await socket.hear())["code"] == "wrong_collection"


async def test_client_that_leaves_ends_stream_and_visits(
    ann: Person, collection: Collection, secret: str
) -> None:
    for _ in range(3):
        async with opened("/ws/live/", secret=secret) as socket:
            await socket.start()
            await _answers(socket, photo(ANN))
            await _leave(socket)
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith("stream-")]


async def test_a_session_that_fails_closes_the_socket(
    engine: FakeEngine, collection: Collection, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: StreamSession) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(StreamSession, "_step", broken)
    async with opened("/ws/live/", secret=secret) as socket:
        await socket.start()
        assert (await socket.hear())["code"] == "internal_error"
        assert await socket.closed_with() == 1011
