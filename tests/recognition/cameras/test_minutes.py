"""Minutes of cameras over REST, and how they are forgotten."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from recognition.cameras.models import Camera, CameraMinute
from recognition.cameras.services.minutes import camera_minutes_prune
from recognition.people.models import Collection
from tests.answers import good, refusal
from tests.callers import Caller
from tests.factories import make_camera

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("engine")]


def _minute(camera: Camera, ago: timedelta) -> CameraMinute:
    return CameraMinute.objects.create(
        camera=camera,
        at=timezone.now() - ago,
        frames=300,
        fps=5.0,
        dropped=2,
        timing_ms={"total": {"p50": 20.5, "p95": 41.0}},
    )


def test_minutes_are_listed_newest_first_within_a_time(api: Caller, collection: Collection) -> None:
    camera, other = make_camera(collection), make_camera(collection)
    for hours in (5, 3, 1):
        _minute(camera, timedelta(hours=hours))
    _minute(other, timedelta(hours=1))
    address = f"/api/v1/cameras/{camera.pk}/minutes"
    rows = good(api.get(address))["results"]
    assert [row["at"] for row in rows] == sorted((row["at"] for row in rows), reverse=True)
    assert len(rows) == 3
    assert rows[0] | {"at": ""} == {
        "at": "",
        "frames": 300,
        "fps": 5.0,
        "dropped": 2,
        "timing_ms": {"total": {"p50": 20.5, "p95": 41.0}},
    }
    since = (timezone.now() - timedelta(hours=4)).isoformat()
    until = (timezone.now() - timedelta(hours=2)).isoformat()
    assert len(good(api.get(address, {"since": since}))["results"]) == 2
    assert len(good(api.get(address, {"since": since, "until": until}))["results"]) == 1
    refusal(api.get(address, {"sinse": since}), 400, "unknown_parameter")
    refusal(api.get(address, {"since": "yesterday"}), 400, "validation_error")


def test_minutes_are_forgotten_after_seven_days(collection: Collection) -> None:
    camera = make_camera(collection)
    _minute(camera, timedelta(days=8))
    assert camera_minutes_prune() == 1
    _minute(camera, timedelta(days=8))
    kept = _minute(camera, timedelta(days=6))
    assert camera_minutes_prune() == 1
    assert list(CameraMinute.objects.all()) == [kept]
    assert camera_minutes_prune() == 0


def test_minutes_go_with_their_camera(collection: Collection) -> None:
    camera = make_camera(collection)
    _minute(camera, timedelta(hours=1))
    camera.delete()
    assert not CameraMinute.objects.exists()
