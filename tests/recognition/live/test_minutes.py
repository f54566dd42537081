"""A row a minute says how the frames of a camera were answered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from recognition.cameras.models import CameraMinute
from recognition.live import minutes
from recognition.live.minutes import CameraMinutes, camera_minutes
from recognition.people.models import Collection
from tests.factories import make_camera
from tests.fakes import FakeEngine, portrait
from tests.recognition.live.streams import DrivenStream, until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def running() -> Iterator[CameraMinutes]:
    part = camera_minutes()
    part.start()
    yield part
    assert part.stop(10)


def test_minute_has_rate_dropped_frames_and_percentiles(
    running: CameraMinutes, collection: Collection
) -> None:
    camera = make_camera(collection)
    for number in range(101):
        running.note(
            camera.pk, {"detect": float(number), "total": 2.0 * number}, dropped=number % 2
        )
    running._collected[camera.pk].since_s -= 50
    running._write()
    row = CameraMinute.objects.get()
    assert (row.camera, row.frames, row.dropped) == (camera, 101, 50)
    assert row.fps == pytest.approx(101 / 50, abs=0.05)
    assert row.timing_ms == {
        "detect": {"p50": 50.0, "p95": 95.0},
        "total": {"p50": 100.0, "p95": 190.0},
    }
    running._write()
    assert CameraMinute.objects.count() == 1, "a camera without frames has no row"


def test_cameras_are_written_in_one_statement_and_deleted_ones_are_left_out(
    running: CameraMinutes, collection: Collection
) -> None:
    cameras = [make_camera(collection) for _ in range(3)]
    for camera in cameras:
        running.note(camera.pk, {"total": 1.0}, dropped=0)
    gone = cameras[0].pk
    cameras[0].delete()
    with CaptureQueriesContext(connection) as queries:
        running._write()
    written = [query for query in queries.captured_queries if query["sql"].startswith("INSERT")]
    assert len(written) == 1
    assert set(CameraMinute.objects.values_list("camera", flat=True)) == {
        camera.pk for camera in cameras if camera.pk != gone and camera.pk
    }


def test_nothing_is_collected_where_nothing_is_written(collection: Collection) -> None:
    camera_minutes().note(make_camera(collection).pk, {"total": 1.0}, dropped=0)
    assert camera_minutes()._collected == {}


def test_minute_that_cannot_be_written_is_given_up(
    running: CameraMinutes, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(rows: Any) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(minutes, "camera_minutes_add", fail)
    running.note(make_camera(collection).pk, {"total": 1.0}, dropped=0)
    running._write()
    assert running._collected == {}


def test_frames_of_a_stream_are_written_after_a_minute(
    engine: FakeEngine, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(minutes, "_EVERY_S", 0.2)
    part = camera_minutes()
    part.start()
    camera = make_camera(collection, max_fps=60)
    with DrivenStream(collection, camera=camera) as stream:
        stream.show(portrait(1), frames=3)
        until(lambda: sum(row.frames for row in CameraMinute.objects.all()) == 3)
    assert {"queue", "decode", "total"} <= set(CameraMinute.objects.all()[0].timing_ms)
    assert part.stop(10)
