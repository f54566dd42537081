"""Recordings: sent, analysed as if seen live, cancelled, killed, kept and forgotten."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from recognition.bulk.models import Archive
from recognition.bulk.services.uploads import upload_piece
from recognition.events.models import Event, Recording
from recognition.events.services.recordings import (
    recording_create,
    recording_finish,
    recordings_sweep,
)
from recognition.jobs.models import Job
from recognition.jobs.services import job_cancel
from recognition.live.pipeline import FramePipeline
from recognition.live.writer import visit_writer
from recognition.people.models import Collection
from recognition.people.services.persons import person_erase
from tests.answers import good, refusal
from tests.callers import Caller
from tests.factories import ACTOR, enrol, make_camera, make_collection, make_person
from tests.fakes import FakeEngine, photo
from tests.recognition.admin_pages import address, page
from tests.recognition.jobs.runs import run_jobs
from tests.recognition.jobs.workers import StartWorker, has_ended, wait_for
from tests.recognition.storage import stored_files
from tests.recognition.videos import write_video

pytestmark = pytest.mark.django_db(transaction=True)

RECORDINGS = "/api/v1/recordings"
ANN, BOB = 11, 12
# Ann, nobody for longer than a visit's gap, Bob.
SCENES = [(2.0, (ANN,)), (6.0, ()), (2.0, (BOB,))]
BEGUN = datetime(2026, 9, 1, 8, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _forever(settings: Any, collection: Collection) -> None:
    """Events of September are not too old."""
    collection.event_retention_days = 0
    collection.save()


@pytest.fixture
def video(tmp_path: Path) -> bytes:
    return write_video(tmp_path / "hall.mp4", SCENES).read_bytes()


def _started(collection: Collection, data: bytes, **values: Any) -> Recording:
    values = {"camera": None, "min_face_px": 40, "is_kept": False, "recorded_at": BEGUN, **values}
    recording = recording_create(
        collection=collection, name="hall.mp4", size=len(data), actor=ACTOR, **values
    )
    upload_piece(upload=recording, offset=0, data=data)
    return recording_finish(recording=recording, actor=ACTOR)


def _assert_both_visits_once(collection: Collection) -> None:
    events = list(Event.objects.filter(collection=collection).order_by("started_at"))
    assert [event.person.name if event.person else None for event in events] == ["Ann", None]
    ann, bob = events
    assert abs((ann.started_at - BEGUN).total_seconds()) < 0.5
    assert abs((ann.ended_at - BEGUN).total_seconds() - 1.9) < 0.3
    assert abs((bob.started_at - BEGUN).total_seconds() - 8.0) < 0.5
    assert not any(event.is_open for event in events)
    assert all(event.face and event.snapshot for event in events)


def test_recording_sent_in_pieces_becomes_visits_at_the_times_of_the_recording(
    api: Caller, engine: FakeEngine, collection: Collection, video: bytes
) -> None:
    enrol(make_person(collection, name="Ann"), ANN)
    camera = make_camera(collection)
    values = {"size": len(video), "recorded_at": BEGUN.isoformat(), "camera": str(camera.pk)}
    begun = good(api.post(RECORDINGS, {"name": "hall.mp4", **values}), 201)
    row = f"{RECORDINGS}/{begun['id']}"
    half = len(video) // 2
    for offset, data in ((0, video[:half]), (half, video[half:])):
        path = f"{row}/pieces?offset={offset}"
        good(api.send(path, data, "application/octet-stream", "PUT"))
    assert good(api.post(f"{row}/finish"), 202)["state"] == "started"
    engine.asks.clear()
    run_jobs()
    assert {ask.priority for ask in engine.asks} == {"bulk"}
    _assert_both_visits_once(collection)
    assert set(Event.objects.values_list("camera", flat=True)) == {camera.pk}
    ended = good(api.get(row))
    assert (ended["state"], ended["events"], ended["size"]) == ("over", 2, None)
    assert ended["job"]["result"] == {"events": 2, "people": 1}
    assert not Archive.objects.exists()
    found = good(api.get(f"/api/v1/events?recording={begun['id']}"))["results"]
    assert len(found) == 2
    assert good(api.get(RECORDINGS))["results"] == [ended]
    good(api.delete(row), 204)
    assert Event.objects.count() == 2


def test_recording_that_cannot_be_played_is_refused_and_leaves_nothing(
    api: Caller, collection: Collection
) -> None:
    data = b"not a video " * 50
    values = {"size": len(data), "recorded_at": BEGUN.isoformat()}
    row = f"{RECORDINGS}/{good(api.post(RECORDINGS, values), 201)['id']}"
    refusal(api.post(f"{row}/finish"), 409, "archive_incomplete")
    good(api.send(f"{row}/pieces?offset=0", data, "application/octet-stream", "PUT"))
    refusal(api.post(f"{row}/finish"), 422, "not_a_video")
    refusal(api.get(row), 404, "not_found")
    assert not Recording.objects.exists()
    assert not stored_files()


def test_recording_older_than_its_events_may_be_is_refused(
    api: Caller, collection: Collection
) -> None:
    collection.event_retention_days = 30
    collection.save()
    refusal(
        api.post(RECORDINGS, {"size": 9, "recorded_at": "2020-01-01T00:00:00Z"}),
        422,
        "recording_too_old",
    )


def test_camera_of_another_collection_is_refused(api: Caller, collection: Collection) -> None:
    camera = make_camera(make_collection())
    values = {"size": 9, "recorded_at": BEGUN.isoformat(), "camera": str(camera.pk)}
    refusal(
        api.post(RECORDINGS, {"collection": str(collection.pk), **values}), 400, "wrong_collection"
    )


@pytest.mark.usefixtures("engine")
def test_cancelled_recording_keeps_what_was_found_and_its_video_goes(
    collection: Collection, video: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = _started(collection, video)
    job = Job.objects.get(kind="recording")
    see, frames = FramePipeline.see, [0]

    def cancelled_at_the_end(*args: Any, **options: Any) -> Any:
        frames[0] += 1
        if frames[0] == 90:
            job_cancel(job=job, actor=ACTOR)
        return see(*args, **options)

    monkeypatch.setattr(FramePipeline, "see", cancelled_at_the_end)
    monkeypatch.setattr("recognition.jobs.context._WRITE_EVERY_S", 0.0)
    run_jobs()
    assert visit_writer().flush(20)  # a cancelled job does not wait for its visits
    recording.refresh_from_db()
    job.refresh_from_db()
    assert (job.state, recording.state) == (Job.State.CANCELLED, Recording.State.OVER)
    assert Event.objects.filter(is_open=False).count() == Event.objects.count() == 2
    assert not Archive.objects.exists()


def test_busy_engine_is_waited_for(
    engine: FakeEngine, collection: Collection, video: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrol(make_person(collection, name="Ann"), ANN)
    _started(collection, video)
    find, calls = engine.find, [0]

    def busy_now_and_then(*args: Any, **options: Any) -> Any:
        calls[0] += 1
        engine.is_busy = calls[0] % 10 == 0
        return find(*args, **options)

    monkeypatch.setattr(engine, "find", busy_now_and_then)
    run_jobs()
    _assert_both_visits_once(collection)


# Each worker is killed further on than the one before.
STEPS = (
    "recognition.live.recordings.recording_attempt:after:1",
    "recognition.live.writer.event_open:after:1",
    "recognition.live.recordings._see:after:60",
    "recognition.live.recordings._end:before:1",
    "recognition.live.recordings.recording_close:after:1",
)


@pytest.mark.only_on("MariaDB")
def test_recording_whose_workers_are_killed_gives_each_visit_once(
    collection: Collection, engine: FakeEngine, video: bytes, start_worker: StartWorker
) -> None:
    enrol(make_person(collection, name="Ann"), ANN)
    _started(collection, video)
    for step in STEPS:
        assert start_worker(KILL_AT=step).wait(60) == -signal.SIGKILL, step
    start_worker()
    job = Job.objects.get(kind="recording")
    wait_for(lambda: has_ended(job))
    job.refresh_from_db()
    assert (job.state, job.error_code) == (Job.State.DONE, ""), job.log
    _assert_both_visits_once(collection)
    assert Recording.objects.get().state == Recording.State.OVER
    assert not Archive.objects.exists()


def test_kept_video_goes_with_its_time_and_when_somebody_is_erased(
    engine: FakeEngine, collection: Collection, video: bytes, settings: Any
) -> None:
    ann = make_person(collection, name="Ann")
    enrol(ann, ANN)
    kept = [_started(collection, video, is_kept=True) for _ in range(2)]
    run_jobs()
    assert Archive.objects.count() == 2
    Recording.objects.filter(pk=kept[0].pk).update(ended_at=timezone.now() - timedelta(days=31))
    assert recordings_sweep() == 1
    assert not Recording.objects.filter(pk=kept[0].pk).exists()
    person_erase(person=ann, actor=ACTOR)
    assert not Archive.objects.exists()
    assert not any(name.startswith("archives") for name in stored_files())
    assert not Event.objects.exclude(person=None).exists()


def test_pictures_are_stored_although_somebody_was_erased_after_the_recording(
    engine: FakeEngine, collection: Collection, video: bytes
) -> None:
    gone = make_person(collection)
    person_erase(person=gone, actor=ACTOR)
    enrol(make_person(collection, name="Ann"), ANN)
    _started(collection, video)
    run_jobs()
    _assert_both_visits_once(collection)


def test_upload_that_nobody_goes_on_with_is_swept(collection: Collection) -> None:
    recording_create(
        collection=collection,
        camera=None,
        name="a.mp4",
        size=100,
        recorded_at=BEGUN,
        min_face_px=40,
        is_kept=False,
        actor=ACTOR,
    )
    assert recordings_sweep() == 0
    Archive.objects.update(updated_at=timezone.now() - timedelta(days=3))
    assert recordings_sweep() == 1
    assert not Archive.objects.exists()


def test_folder_of_videos_and_pictures_is_analysed_by_a_command(
    engine: FakeEngine, collection: Collection, tmp_path: Path, capsys: Any
) -> None:
    enrol(make_person(collection, name="Ann"), ANN)
    folder = tmp_path / "found"
    folder.mkdir()
    write_video(folder / "door.mkv", [(2.0, (ANN,))])
    for number in range(4):
        path = folder / f"{number}.jpg"
        path.write_bytes(photo(BOB, looks=number))
    for path in folder.iterdir():
        os.utime(path, (BEGUN.timestamp(), BEGUN.timestamp()))
    call_command("analyse", "Main", str(folder))
    told = capsys.readouterr().out
    assert "door.mkv: 1 visits" in told
    assert "found: 1 visits" in told
    ann = Event.objects.get(person__name="Ann")
    assert (BEGUN - ann.started_at).total_seconds() == pytest.approx(2.0, abs=0.3)


def test_pages_show_where_a_video_is_dropped_and_what_was_found(
    operator: Client, viewer: Client, engine: FakeEngine, collection: Collection, video: bytes
) -> None:
    make_camera(collection, name="Gate")
    assert "Gate (Main)" in page(operator.get(address("events_recording_add")))
    assert viewer.get(address("events_recording_add")).status_code == 403
    enrol(make_person(collection, name="Ann"), ANN)
    recording = _started(collection, video)
    url = address("events_recording_change", recording.pk)
    assert "Cancel" in page(operator.get(url))
    run_jobs()
    text = page(viewer.get(url))
    assert "Ann" in text
    assert "08:00:00" in text


def test_cancel_on_the_page_of_a_recording_that_waits_ends_it(
    operator: Client, viewer: Client, collection: Collection, video: bytes
) -> None:
    recording = _started(collection, video)
    url = address("events_recording_change", recording.pk)
    assert viewer.post(url).status_code == 403
    assert operator.post(url).status_code == 302
    recording.refresh_from_db()
    assert recording.state == Recording.State.OVER
    assert not Archive.objects.exists()
