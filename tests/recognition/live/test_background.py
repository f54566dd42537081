"""What runs beside the pages: started and drained in order."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import pytest
from django.utils import timezone

from recognition.cameras.models import Camera
from recognition.engine import engine_state
from recognition.events.models import Event
from recognition.jobs.models import Job
from recognition.live import background
from recognition.live.background import Background
from recognition.live.writer import VisitWriter
from recognition.people.models import Collection
from tests.factories import make_camera, make_event
from tests.fakes import FakeEngine, photo
from tests.recognition.live.streams import DrivenStream, until

pytestmark = pytest.mark.django_db(transaction=True)


def test_visits_of_an_earlier_process_are_closed_first(
    engine: FakeEngine, collection: Collection
) -> None:
    make_event(collection)
    running = Background()
    running.start()
    assert not Event.objects.get().is_open
    assert running.stop(20)


def test_stopping_turns_open_visits_into_events(engine: FakeEngine, collection: Collection) -> None:
    running = Background()
    running.start()
    with DrivenStream(collection) as stream:
        stream.show(photo(1))
        assert running.stop(20)
        assert stream.ended_with == [None]
        assert not Event.objects.get().is_open
    assert engine.is_closed
    assert engine_state()["state"] == "off"


def test_cameras_that_do_not_stop_leave_time_for_the_visits(
    engine: FakeEngine, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They, and then the sessions, take all the time that they are given."""
    now, given = [100.0], {}

    def takes_all(what: str) -> Any:
        def stop(*args: Any) -> bool:
            given[what] = args[-1]
            now[0] += args[-1]
            return False

        return stop

    monkeypatch.setattr(background.time, "monotonic", lambda: now[0])
    running = Background()
    running._cameras = Mock(stop=takes_all("cameras"))
    monkeypatch.setattr(background, "stop_sessions", takes_all("sessions"))
    monkeypatch.setattr(VisitWriter, "stop", takes_all("writer"))
    assert not running.stop(15)
    assert given["sessions"] + given["writer"] >= 5
    assert min(given.values()) >= 2.5
    assert sum(given.values()) <= 15.1


def test_cameras_run_unless_a_setting_says_otherwise(
    engine: FakeEngine, collection: Collection, settings: Any
) -> None:
    settings.RUN_CAMERAS = False
    camera = make_camera(collection, kind=Camera.Kind.FILE, address="none.mp4")
    running = Background()
    running.start()
    assert running.stop(20)
    camera.refresh_from_db()
    assert camera.status == Camera.Status.OFF


def test_it_starts_while_the_database_is_away(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    from django.db import OperationalError

    def away() -> int:
        raise OperationalError("gone away")

    settings.RUN_CAMERAS = False
    monkeypatch.setattr(background, "events_close_stale", away)
    running = Background()
    running.start()
    assert running.stop(20)


def test_jobs_run_beside_the_pages(engine: FakeEngine, settings: Any) -> None:
    settings.RUN_CAMERAS = False
    running = Background()
    running.start()
    until(lambda: Job.objects.filter(kind="upkeep", state=Job.State.DONE).exists())
    assert running.stop(20)
    assert Job.objects.get(kind="upkeep", state=Job.State.QUEUED).run_after > timezone.now()
