"""Sessions, their streams as rows, and the cameras that they play."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError

from ml_engine.images import decode_image
from recognition.cameras.models import Camera, Stream
from recognition.cameras.sources import BROWSER
from recognition.events.models import Event
from recognition.live import writer
from recognition.live.previews import Viewer, previews
from recognition.people.models import Collection, Person
from recognition.web.leases import DatabaseTime
from tests.factories import enrol, make_camera, make_person
from tests.fakes import FakeEngine, photo, portrait
from tests.recognition.live.streams import DrivenStream, until

pytestmark = pytest.mark.django_db(transaction=True)

ANN, BOB, STRANGER = 11, 22, 33


@pytest.fixture
def ann(engine: FakeEngine, collection: Collection) -> Person:
    person = make_person(collection, name="Ann")
    enrol(person, ANN)
    return person


@pytest.fixture
def stream(engine: FakeEngine, collection: Collection) -> Iterator[DrivenStream]:
    with DrivenStream(collection) as driven:
        yield driven


def test_a_camera_gives_its_options_and_its_name(ann: Person, collection: Collection) -> None:
    camera = make_camera(collection, kind=BROWSER, min_face_px=200, max_fps=60)
    with DrivenStream(collection, camera=camera) as stream:
        assert stream.answer_to(photo(ANN, size=120))["faces"] == []
        stream.show(photo(ANN, size=240, looks=1))
        camera.refresh_from_db()
        assert camera.status == Camera.Status.RUNNING
    assert Event.objects.get().camera == camera
    camera.refresh_from_db()
    assert camera.status == Camera.Status.OFF


def test_session_ends_when_another_process_ended_its_stream(
    engine: FakeEngine, collection: Collection, settings: Any
) -> None:
    """As after a pause of the process: what it still sees must not be written."""
    settings.LEASE_S = 0.6
    with DrivenStream(collection) as stream:
        stream.show(photo(1))
        until(lambda: Event.objects.exists())
        before = Event.objects.values().get()
        Stream.objects.update(owner="another", lease_number=9, lease_until=DatabaseTime(60))
        until(lambda: stream.ended_with)
    assert stream.ended_with == ["stream_lost"]
    assert stream.messages[-1]["code"] == "stream_lost"
    assert Event.objects.values().get() == before
    assert Stream.objects.get().owner == "another"


def test_stream_is_owned_until_its_last_visit_is_written(
    ann: Person, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> Any:
        raise OperationalError("gone away")

    monkeypatch.setattr(writer, "_FIRST_PAUSE_S", 0.01)
    with DrivenStream(collection) as stream, monkeypatch.context() as patch:
        patch.setattr(writer, "event_open", away)
        stream.show(photo(ANN, looks=1))
        stream.session.stop()
        assert stream.session.join(20)
        assert Stream.objects.get().ended_at is None
    row = Stream.objects.get()
    assert (row.owner, row.caller) == ("", "")
    assert row.ended_at is not None
    assert not Event.objects.get().is_open


def test_a_camera_is_on_until_its_last_stream_ends(
    engine: FakeEngine, collection: Collection
) -> None:
    camera = make_camera(collection, kind=BROWSER)
    with DrivenStream(collection, camera=camera) as first:
        first.answer_to(photo(ANN))
        with DrivenStream(collection, camera=camera) as second:
            second.answer_to(photo(ANN))
        camera.refresh_from_db()
        assert camera.status == Camera.Status.RUNNING
    camera.refresh_from_db()
    assert camera.status == Camera.Status.OFF


async def test_previews_are_made_while_a_viewer_watches(
    engine: FakeEngine, collection: Collection
) -> None:
    import asyncio

    from channels.db import database_sync_to_async

    camera = await database_sync_to_async(make_camera)(collection, max_fps=60)
    stream = DrivenStream(collection, camera=camera)
    await asyncio.to_thread(stream.__enter__)
    viewer = Viewer(asyncio.get_running_loop())
    previews().watch(camera.pk, viewer)
    try:
        answer = await asyncio.to_thread(stream.answer_to, portrait(1))
        preview = await viewer.next(10)
        assert preview is not None
        assert preview.faces == answer
        assert decode_image(preview.jpeg).shape == portrait(1).shape
    finally:
        previews().leave(camera.pk, viewer)
        await asyncio.to_thread(stream.__exit__)
    assert previews()._viewers == {}
