"""Streams as rows: who writes for them, and how they end."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from recognition.cameras.models import Camera, Stream
from recognition.cameras.services.cameras import cameras_free_lapsed
from recognition.cameras.services.streams import OwnStream, stream_begin
from recognition.cameras.sources import FILE
from recognition.events.models import Event
from recognition.events.services.events import event_open, event_update
from recognition.events.services.streams import stream_end, streams_end_lapsed, streams_prune
from recognition.notices.models import Notice
from recognition.people.models import Collection
from recognition.web.leases import DatabaseTime, LeaseLost, take
from recognition.web.process import Process, use_process
from tests.factories import make_camera, seen
from tests.recognition.storage import assert_consistent, stored_files

pytestmark = pytest.mark.django_db


def _begin(collection: Collection, camera: Camera | None = None) -> OwnStream:
    return stream_begin(stream_id=uuid4(), collection=collection, camera=camera, caller="user:x")


def _visit(stream: OwnStream) -> Event:
    return event_open(
        stream=stream,
        model=stream.collection.embedder,
        seen=seen(),
        started_at=timezone.now(),
    )


def _elsewhere() -> None:
    """The rest of the test runs as another process."""
    use_process(Process())


def _lapse(stream: OwnStream) -> None:
    stream.rows.update(lease_until=DatabaseTime(-1))


def test_stream_belongs_to_its_process_until_it_ends(collection: Collection) -> None:
    stream = _begin(collection)
    row = stream.rows.get()
    assert (row.owner, row.caller, row.ended_at) == (stream.lease.owner, "user:x", None)
    assert row.lease_until is not None and row.lease_until > timezone.now()
    event = _visit(stream)
    assert stream_end(stream_id=stream.id, lease=stream.lease) == 1
    row.refresh_from_db()
    event.refresh_from_db()
    assert (row.owner, event.is_open, event.stream_id) == ("", False, stream.id)
    assert row.ended_at is not None
    assert list(Notice.objects.values_list("kind", flat=True)) == ["event.opened", "event.closed"]


def test_stream_of_a_process_that_is_gone_is_ended_once_its_lease_lapsed(
    collection: Collection,
) -> None:
    stream = _begin(collection)
    event = _visit(stream)
    _elsewhere()
    assert streams_end_lapsed() == 0
    _lapse(stream)
    assert streams_end_lapsed() == 1
    event.refresh_from_db()
    assert not event.is_open
    assert stream.rows.get().ended_at is not None
    assert streams_end_lapsed() == 0


def test_process_does_not_end_its_own_streams(collection: Collection) -> None:
    stream = _begin(collection)
    _lapse(stream)
    assert streams_end_lapsed() == 0
    assert stream.rows.get().ended_at is None


def test_late_writes_to_a_lapsed_stream_are_refused(collection: Collection) -> None:
    stream = _begin(collection)
    event = _visit(stream)
    files = stored_files()
    before = Event.objects.values().get()
    _lapse(stream)
    assert take(stream.rows, owner="another")
    with pytest.raises(LeaseLost):
        _visit(stream)
    with pytest.raises(LeaseLost):
        event_update(event=event, stream=stream, seen=seen(quality=0.9), ended_at=timezone.now())
    with pytest.raises(LeaseLost):
        stream_end(stream_id=stream.id, lease=stream.lease)
    assert Event.objects.values().get() == before
    assert stored_files() == files
    assert_consistent(collection)


def test_lapsed_stream_that_no_process_took_is_still_written(collection: Collection) -> None:
    stream = _begin(collection)
    _lapse(stream)
    assert _visit(stream).stream_id == stream.id


def test_camera_of_a_browser_runs_while_a_stream_comes_from_it(collection: Collection) -> None:
    camera = make_camera(collection)
    first, second = _begin(collection, camera), _begin(collection, camera)
    for stream, status in ((first, "running"), (second, "off")):
        camera.refresh_from_db()
        assert camera.status == "running"
        _elsewhere()
        _lapse(stream)
        streams_end_lapsed()
        camera.refresh_from_db()
        assert camera.status == status


def test_stream_says_nothing_of_a_camera_that_the_server_plays(collection: Collection) -> None:
    camera = make_camera(collection, kind=FILE, address="a.mp4", status="failed")
    stream = _begin(collection, camera)
    stream_end(stream_id=stream.id, lease=stream.lease)
    camera.refresh_from_db()
    assert camera.status == "failed"


def test_cameras_of_a_process_that_is_gone_wait_for_another(collection: Collection) -> None:
    soon = timedelta(seconds=5)
    gone, lives, free = [
        make_camera(
            collection,
            kind=FILE,
            address="a.mp4",
            status="running",
            owner=owner,
            lease_until=until,
        )
        for owner, until in (
            ("gone", timezone.now() - soon),
            ("lives", timezone.now() + soon),
            ("", None),
        )
    ]
    assert cameras_free_lapsed() == 1
    expected = {gone: ("", "waiting"), lives: ("lives", "running"), free: ("", "running")}
    for camera, shown in expected.items():
        camera.refresh_from_db()
        assert (camera.owner, camera.status) == shown
    assert gone.lease_number == 1, "its owner is refused from now on"


def test_old_streams_without_events_are_pruned(collection: Collection) -> None:
    with_event, without, running = (_begin(collection) for _ in range(3))
    _visit(with_event)
    for stream in (with_event, without):
        stream_end(stream_id=stream.id, lease=stream.lease)
    assert streams_prune() == 0
    Stream.objects.exclude(ended_at=None).update(ended_at=timezone.now() - timedelta(days=8))
    assert streams_prune() == 1
    assert set(Stream.objects.values_list("pk", flat=True)) == {with_event.id, running.id}
