"""Clips of events: stored, lost, erased, deleted with their events, and made playable."""

from __future__ import annotations

import errno
import os
import signal
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from uuid import UUID

import pytest
from django.utils import timezone

from recognition.cameras.models import Stream
from recognition.cameras.mp4 import mp4_of
from recognition.events.models import Clip, Event
from recognition.events.services import clips as module
from recognition.events.services.clips import (
    ClipWanted,
    clip_convert,
    clip_lose,
    clip_store,
    clips_sweep,
)
from recognition.events.services.events import event_delete, event_open, events_prune
from recognition.events.services.orphans import sweep_orphans
from recognition.events.services.streams import streams_end_lapsed
from recognition.people.models import Collection, Person
from recognition.people.services.persons import person_erase, person_merge
from recognition.web.errors import ServiceError
from recognition.web.identifiers import uuid7
from tests.commits import committed
from tests.factories import ACTOR, make_event, make_person, own_stream, seen, update_event
from tests.recognition.clips import make_clip, new_clip, played, video_packets
from tests.recognition.jobs.runs import run_jobs
from tests.recognition.jobs.workers import StartWorker, has_ended, wait_for
from tests.recognition.storage import named_files, stored_files

pytestmark = pytest.mark.django_db


def _open(collection: Collection, person: Person | None = None, **values: Any) -> Event:
    """An event whose clip is being recorded."""
    look = seen(person, **values)
    wanted = ClipWanted(uuid7(), look.at - timedelta(seconds=5), look.at + timedelta(seconds=10))
    return event_open(
        stream=own_stream(collection),
        model=collection.embedder,
        seen=look,
        started_at=look.at,
        clip=wanted,
    )


def _clip_id(event: Event) -> UUID:
    assert event.clip_id is not None
    return event.clip_id


def _clips() -> list[str]:
    return sorted(name for name in stored_files() if name.startswith("clips/"))


def test_clip_is_begun_with_its_event_and_stored_later(collection: Collection) -> None:
    event = _open(collection)
    clip = Clip.objects.get()
    assert (event.clip, clip.state, clip.file.name) == (clip, "recording", "")
    packets = video_packets()
    assert clip_store(clip_id=clip.pk, packets=packets)
    clip.refresh_from_db()
    assert (clip.state, clip.codec, clip.seconds) == ("ready", "h264", 4.0)
    content = Path(clip.file.path).read_bytes()
    assert len(content) == clip.bytes
    assert len(played(content).times_s) == len(packets)
    assert stored_files() == named_files()


def test_clip_whose_event_has_no_row_yet_is_stored_later(collection: Collection) -> None:
    assert not clip_store(clip_id=uuid7(), packets=video_packets(seconds=1))
    assert not clip_lose(clip_id=uuid7(), message="no")
    assert not stored_files()


@pytest.mark.parametrize("stage", ["room", "write"])
def test_clip_on_a_full_disk_leaves_no_file(
    collection: Collection, settings: Any, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    event = _open(collection)
    before = stored_files()
    if stage == "room":
        settings.KEEP_FREE_BYTES = 2**60
    else:
        full = OSError(errno.ENOSPC, "No space left on device")
        monkeypatch.setattr(os, "fsync", Mock(side_effect=full))
    with pytest.raises(ServiceError) as refused:
        clip_store(clip_id=_clip_id(event), packets=video_packets(seconds=1))
    assert refused.value.code == "storage_full"
    assert stored_files() == before
    assert clip_lose(clip_id=_clip_id(event), message=refused.value.message)
    clip = Clip.objects.get()
    assert clip.state == "lost"
    assert "disk is full" in clip.message


def test_lost_clip_is_not_stored_by_a_process_that_wakes_late(collection: Collection) -> None:
    event = _open(collection)
    clip_lose(clip_id=_clip_id(event), message="gone")
    before = stored_files()
    assert clip_store(clip_id=_clip_id(event), packets=video_packets(seconds=1))
    assert Clip.objects.get().state == "lost"
    assert stored_files() == before


def test_clips_of_a_dead_process_are_lost(collection: Collection) -> None:
    event = _open(collection)
    Stream.objects.filter(events=event).update(
        owner="another", lease_until=timezone.now() - timedelta(hours=1)
    )
    streams_end_lapsed()
    clip = Clip.objects.get()
    assert clip.state == "lost"
    assert "stopped" in clip.message


def test_upkeep_gives_up_clips_that_were_never_stored(collection: Collection) -> None:
    old = timezone.now() - timedelta(hours=1)
    _open(collection, at=old)
    fresh = _open(collection)
    assert clips_sweep() == 1
    assert Clip.objects.get(state="recording") == fresh.clip
    assert clips_sweep() == 0


def test_file_of_a_clip_that_no_row_names_is_swept(collection: Collection) -> None:
    event = make_event(collection)
    clip = make_clip(event)
    # As after a kill between the file and the row.
    Clip.objects.filter(pk=clip.pk).update(file="", state="recording")
    assert sweep_orphans(grace_s=-60) == 1
    assert not _clips()


def test_deleted_event_takes_its_clip_along(collection: Collection) -> None:
    event, other = make_event(collection), make_event(collection)
    make_clip(event)
    kept = make_clip(other)
    event_delete(event=event, actor=ACTOR)
    assert list(Clip.objects.all()) == [kept]
    assert _clips() == [kept.file.name]


def test_shared_clip_is_deleted_with_its_last_event(collection: Collection) -> None:
    event, other = make_event(collection), make_event(collection)
    clip = make_clip(event)
    Event.objects.update(clip=clip)
    event_delete(event=event, actor=ACTOR)
    other.refresh_from_db()
    assert other.clip == clip
    assert _clips() == [clip.file.name]
    event_delete(event=other, actor=ACTOR)
    assert not Clip.objects.exists()
    assert not _clips()


def test_shared_clip_goes_with_each_person_who_is_in_it(collection: Collection) -> None:
    ann, bob = make_person(collection), make_person(collection)
    make_clip(make_event(person=ann))
    Event.objects.update(clip=Clip.objects.get())
    event = make_event(person=bob, at=timezone.now() - timedelta(hours=2))
    Event.objects.filter(pk=event.pk).update(clip=Clip.objects.get())
    assert person_erase(person=ann, actor=ACTOR)["clips"] == 1
    event.refresh_from_db()
    assert (event.clip, Clip.objects.exists(), _clips()) == (None, False, [])


def test_second_event_of_a_clip_lengthens_it(collection: Collection) -> None:
    at = timezone.now()
    first = ClipWanted(uuid7(), at, at + timedelta(seconds=10))
    events = [
        event_open(
            stream=own_stream(collection),
            model=collection.embedder,
            seen=seen(),
            started_at=at,
            clip=wanted,
        )
        for wanted in (first, replace(first, ends_at=at + timedelta(seconds=15)), first)
    ]
    clip = Clip.objects.get()
    assert {event.clip_id for event in events} == {clip.pk}
    assert clip.ends_at == at + timedelta(seconds=15)


def test_clip_that_was_lengthened_says_so_before_its_second_event(collection: Collection) -> None:
    """Somebody who came in that time may be erased in between."""
    event = _open(collection)
    ends_s = timezone.now().timestamp() + 20
    assert clip_store(
        clip_id=_clip_id(event), packets=video_packets(seconds=2, begins_s=ends_s - 2)
    )
    assert Clip.objects.get().ends_at.timestamp() > ends_s - 0.5


def test_clips_follow_the_retention_of_their_events(collection: Collection) -> None:
    old = timezone.now() - timedelta(days=400)
    event = make_event(collection, at=old, started_at=old)
    Event.objects.filter(pk=event.pk).update(is_open=False)
    make_clip(event)
    assert events_prune() == 1
    assert not Clip.objects.exists()
    assert not stored_files()


def test_clip_of_a_deleted_event_is_not_stored(collection: Collection) -> None:
    event = _open(collection)
    clip_id = _clip_id(event)
    event_delete(event=event, actor=ACTOR)
    assert not clip_store(clip_id=clip_id, packets=video_packets(seconds=1))
    assert not stored_files()


def test_erased_person_is_in_no_clip(collection: Collection) -> None:
    """Neither in clips of their own visits nor in those of others at the same time."""
    ann, bob = make_person(collection), make_person(collection)
    noon = timezone.now() - timedelta(hours=2)

    def visit(person: Person, after_s: float) -> Event:
        at = noon + timedelta(seconds=after_s)
        return make_event(person=person, at=at, started_at=at)

    own = visit(ann, 0)
    just_before, just_after, apart = visit(bob, -9), visit(bob, 4), visit(bob, 60)
    *_, kept = [make_clip(event) for event in (own, just_before, just_after, apart)]
    Event.objects.update(is_open=False)
    erased = person_erase(person=ann, actor=ACTOR)
    assert erased["clips"] == 3
    for event in (own, just_before, just_after, apart):
        event.refresh_from_db()
    assert (own.clip, just_before.clip, just_after.clip) == (None, None, None)
    assert apart.clip == kept
    assert _clips() == [kept.file.name]


def test_clip_that_began_before_an_erasure_is_not_stored(collection: Collection) -> None:
    event = _open(collection)
    person_erase(person=make_person(collection), actor=ACTOR)
    with pytest.raises(ServiceError, match="erased"):
        clip_store(clip_id=_clip_id(event), packets=video_packets(seconds=1))
    assert not _clips()


def test_clip_counts_from_its_first_picture_when_somebody_is_erased(collection: Collection) -> None:
    """It begins at a key frame, which may be far before the time that was wanted."""
    ann, bob = make_person(collection), make_person(collection)
    at = timezone.now() - timedelta(minutes=1)
    before = at - timedelta(seconds=20)
    packets = video_packets(seconds=1, begins_s=before.timestamp())
    event = _open(collection, bob, at=at)
    Collection.objects.update(last_erasure_at=at - timedelta(seconds=10))
    with pytest.raises(ServiceError, match="erased"):
        clip_store(clip_id=_clip_id(event), packets=packets)
    Collection.objects.update(last_erasure_at=None)
    assert clip_store(clip_id=_clip_id(event), packets=packets)
    make_event(person=ann, at=before, started_at=before)
    Event.objects.update(is_open=False)
    assert person_erase(person=ann, actor=ACTOR)["clips"] == 1
    assert not _clips()


def test_person_who_is_in_view_when_erased_is_in_no_clip(collection: Collection) -> None:
    """The stored end of an open visit is some seconds old."""
    ann, bob = make_person(collection), make_person(collection)
    at = timezone.now() - timedelta(seconds=40)
    make_event(person=ann, at=at, started_at=at)
    clip = make_clip(make_event(person=bob))
    assert clip.begins_at > at
    assert person_erase(person=ann, actor=ACTOR)["clips"] == 1
    assert not _clips()


def test_clip_whose_writing_was_committed_unheard_is_written_again(collection: Collection) -> None:
    wanted = ClipWanted(uuid7(), timezone.now(), timezone.now())
    first, again = (
        event_open(
            stream=own_stream(collection),
            model=collection.embedder,
            seen=seen(),
            started_at=timezone.now(),
            clip=wanted,
        )
        for _ in range(2)
    )
    assert first.clip_id == again.clip_id == wanted.id
    packets = video_packets(seconds=1)
    assert clip_store(clip_id=wanted.id, packets=packets)
    Path(Clip.objects.get().file.path).unlink()  # as after an error
    assert clip_store(clip_id=wanted.id, packets=packets)
    assert stored_files() == named_files()
    assert len(_clips()) == 1


def test_clip_that_was_deleted_meanwhile_cannot_be_converted(collection: Collection) -> None:
    event = make_event(collection)
    make_clip(event, "mjpeg")
    event = Event.objects.select_related("clip").get(pk=event.pk)
    Clip.objects.all().delete()
    with pytest.raises(ServiceError) as refused:
        clip_convert(event=event, actor=ACTOR)
    assert refused.value.code == "not_found"


def test_event_of_a_person_who_was_erased_meanwhile_gets_no_clip(collection: Collection) -> None:
    person = make_person(collection)
    look = seen(person)
    Person.objects.filter(pk=person.pk).delete()
    wanted = ClipWanted(uuid7(), look.at, look.at)
    event = event_open(
        stream=own_stream(collection),
        model=collection.embedder,
        seen=look,
        started_at=look.at,
        clip=wanted,
    )
    assert event.clip is None
    assert not Clip.objects.exists()


def test_merged_person_keeps_the_clips(collection: Collection) -> None:
    source, target = make_person(collection), make_person(collection)
    clip = make_clip(make_event(person=source))
    person_merge(into=target, person=source, actor=ACTOR)
    assert Event.objects.get(person=target).clip == clip
    assert _clips() == [clip.file.name]


@pytest.mark.parametrize("codec", ["hevc", "mjpeg"])
def test_job_makes_a_clip_playable_once(collection: Collection, codec: str) -> None:
    event = make_event(collection)
    first = make_clip(event, codec)
    event.refresh_from_db()
    job = clip_convert(event=event, actor=ACTOR)
    assert clip_convert(event=event, actor=ACTOR) == job
    with committed():
        run_jobs()
    job.refresh_from_db()
    assert (job.state, job.error_code) == ("done", "")
    clip = Clip.objects.get()
    assert (clip.codec, clip.is_playable, clip.state) == ("h264", True, "ready")
    assert clip.seconds == pytest.approx(first.seconds, abs=0.1)
    assert _clips() == [clip.file.name], "the one before is removed"
    content = Path(clip.file.path).read_bytes()
    assert played(content).codec == "h264"
    assert len(content) == clip.bytes
    event.refresh_from_db()
    with pytest.raises(ServiceError) as refused:
        clip_convert(event=event, actor=ACTOR)
    assert refused.value.code == "clip_playable"


def test_complete_clip_that_was_deleted_is_not_made_again(collection: Collection) -> None:
    look = seen()
    wanted = ClipWanted(uuid7(), look.at, look.at, is_cut=True)
    event = event_open(stream=own_stream(collection), model=collection.embedder, seen=look,
                       started_at=look.at, clip=wanted)  # fmt: skip
    assert event.clip is None
    assert not Clip.objects.exists()


def test_job_of_a_clip_that_is_deleted_meanwhile_leaves_nothing(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = make_event(collection)
    make_clip(event, "mjpeg")
    event.refresh_from_db()
    job = clip_convert(event=event, actor=ACTOR)

    def deleted_meanwhile(content: bytes, done: Any) -> Any:
        event_delete(event=event, actor=ACTOR)
        return mp4_of(video_packets(seconds=1))

    monkeypatch.setattr(module, "playable_mp4", deleted_meanwhile)
    run_jobs()
    job.refresh_from_db()
    assert (job.state, job.error_code) == ("failed", "not_found")
    assert not stored_files()


def test_clip_that_cannot_be_decoded_fails_its_job_in_words(collection: Collection) -> None:
    event = make_event(collection)
    clip = make_clip(event, "mjpeg")
    Path(clip.file.path).write_bytes(b"not a video")
    event.refresh_from_db()
    job = clip_convert(event=event, actor=ACTOR)
    run_jobs()
    job.refresh_from_db()
    assert (job.state, job.error_code) == ("failed", "clip_broken")
    assert Clip.objects.get().state == "ready", "it can still be downloaded"


@pytest.mark.django_db(transaction=True)
def test_killed_job_makes_the_clip_playable_at_its_next_attempt(
    collection: Collection, start_worker: StartWorker
) -> None:
    event = make_event(collection)
    make_clip(event, "mjpeg")
    event.refresh_from_db()
    job = clip_convert(event=event, actor=ACTOR)
    killed = start_worker(KILL_AT="recognition.web.files.NewFiles.write:after:1")
    assert killed.wait(60) == -signal.SIGKILL
    assert Clip.objects.get().codec == "mjpeg"
    assert len(_clips()) == 2, "what the killed attempt wrote is named by no row"
    start_worker()
    wait_for(lambda: has_ended(job))
    assert Clip.objects.get().codec == "h264"
    sweep_orphans(grace_s=-60)
    assert stored_files() == named_files()


def test_clip_survives_a_later_state_of_its_visit(collection: Collection) -> None:
    event = _open(collection)
    updated = update_event(event, replace(seen(), quality=0.9), is_open=False)
    assert updated.clip_id == event.clip_id


def test_rows_of_clips_say_what_they_are(collection: Collection) -> None:
    at = datetime.fromisoformat("2026-05-01T12:00:05+00:00")
    assert str(new_clip(at)) == "recording clip of 2026-05-01 12:00:00"
