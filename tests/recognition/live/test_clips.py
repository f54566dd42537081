"""Clips of visits to cameras that are played: from real streams, and whatever fails on the way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import OperationalError
from django.utils import timezone

from recognition.cameras.models import Camera
from recognition.cameras.mp4 import playable_mp4
from recognition.cameras.sources.tape import Tape
from recognition.events.models import Clip, Event
from recognition.events.services.clips import ClipWanted
from recognition.events.services.events import event_delete, event_open
from recognition.live import clips as module
from recognition.live.clips import Clips, clips
from recognition.live.player import CameraPlayer
from recognition.live.writer import visit_writer
from recognition.people.models import Collection
from recognition.web.identifiers import uuid7
from tests.factories import ACTOR, enrol, make_camera, make_person, own_stream, seen
from tests.fakes import FakeEngine
from tests.recognition.cameras.network import local_cameras, rtsp_server, sent_pictures
from tests.recognition.cameras.sources.rtsp_peer import ALONE_S, PERSON, RtspServer
from tests.recognition.clips import new_clip, played, video_packets
from tests.recognition.live.streams import until
from tests.recognition.storage import named_files, stored_files

__all__ = ["local_cameras", "rtsp_server", "sent_pictures"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("local_cameras")]

_CLIPS = {"clip_before_s": 2, "clip_after_s": 3}


@pytest.fixture(autouse=True)
def _no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAUSE_S", 0.01)


@pytest.fixture
def camera(collection: Collection) -> Camera:
    return make_camera(collection, kind="rtsp", address="rtsp://192.168.1.20/a", **_CLIPS)


@pytest.fixture
def written(camera: Camera) -> Iterator[Clips]:
    yield clips()
    clips().stop(10)


def _tape(camera: Camera) -> Tape:
    tape = clips().tape(camera)
    assert tape is not None
    return tape


def _open(collection: Collection, wanted: ClipWanted | None) -> Event:
    look = seen()
    return event_open(
        stream=own_stream(collection),
        model=collection.embedder,
        seen=look,
        started_at=look.at,
        clip=wanted,
    )


def _wanted(camera: Camera, tape: Tape, stream_id: UUID | None = None) -> ClipWanted:
    """A clip of a visit that began a second before the end of the tape."""
    stream_id = stream_id or uuid7()
    with clips().of_stream(stream_id, camera, tape):
        last_s = tape._last.at_s if tape._last else time.time()
        wanted = clips().want(stream_id, datetime.fromtimestamp(last_s - 1, UTC))
    assert wanted is not None
    return wanted


def _recorded(camera: Camera, *, seconds: float = 4) -> Tape:
    tape = _tape(camera)
    for packet in video_packets(seconds=seconds):
        tape.add(packet)
    return tape


def _complete_at(tape: Tape) -> datetime:
    """A visit that began at this time has its whole clip on the tape."""
    assert tape._last is not None
    return datetime.fromtimestamp(tape._last.at_s - 4, UTC)


@pytest.fixture
def playing(
    request: pytest.FixtureRequest,
    engine: FakeEngine,
    rtsp_server: RtspServer,
    collection: Collection,
) -> Iterator[CameraPlayer]:
    """A person comes to a network camera that keeps clips."""
    enrol(make_person(collection, name="Ann"), PERSON)
    camera = make_camera(collection, kind="rtsp", address=rtsp_server.url("arrival.mkv"), **_CLIPS)
    camera.clip_after_s = getattr(request, "param", camera.clip_after_s)
    player = CameraPlayer(camera, lambda: None)
    player.start()
    yield player
    player.stop()
    assert player.join(20)
    assert visit_writer().flush(20)


def test_visit_to_a_network_camera_has_a_clip(playing: CameraPlayer) -> None:
    until(Event.objects.filter(decision="match").exists)
    assert Event.objects.earliest("pk").clip is not None, "the row is there with the event's"
    until(Clip.objects.filter(state="ready").exists)
    clip = Clip.objects.get(state="ready")
    shown = played(Path(clip.file.path).read_bytes())
    assert (shown.codec, shown.begins_with_key, shown.times_s[0]) == ("h264", True, 0.0)
    # At least two seconds of the empty room, then the person.
    came_s = next(
        at_s
        for at_s, brightness in zip(shown.times_s, shown.brightness, strict=True)
        if brightness > 2 * shown.brightness[0]
    )
    assert 1.8 < came_s <= ALONE_S + 0.1
    assert 2 < shown.times_s[-1] - came_s < 4.5
    assert stored_files() == named_files()


@pytest.mark.parametrize("playing", [30], indirect=True)
def test_clip_ends_with_a_camera_that_is_cut_off(
    playing: CameraPlayer, rtsp_server: RtspServer
) -> None:
    until(Event.objects.filter(decision="match").exists)
    rtsp_server.stop()
    try:
        until(Clip.objects.filter(state="ready").exists)
    finally:
        rtsp_server.start()
    clip = Clip.objects.filter(state="ready").earliest("begins_at")
    # The last picture may be incomplete: a browser leaves it out, and so does this.
    video = playable_mp4(Path(clip.file.path).read_bytes(), lambda done: None)
    assert 0 < video.seconds < 3 * ALONE_S + 1, "all that the camera sends"


def test_camera_without_clips_has_no_tape(collection: Collection) -> None:
    camera = make_camera(collection, kind="rtsp", address="rtsp://192.168.1.20/a")
    assert clips().tape(camera) is None
    with clips().of_stream(uuid7(), camera, None):
        assert clips().want(uuid7(), timezone.now()) is None


def test_recording_that_is_filed_under_a_camera_gets_no_live_clip(camera: Camera) -> None:
    with clips().of_stream(uuid7(), camera, _recorded(camera)):
        assert clips().want(own_stream(camera.collection, camera).id, timezone.now()) is None


def test_clip_shows_the_moment_before_its_visit(written: Clips, camera: Camera) -> None:
    wanted = _wanted(camera, _recorded(camera, seconds=8))
    _open(camera.collection, wanted)
    assert written.flush(20)
    clip = Clip.objects.get()
    assert (clip.state, clip.pk) == ("ready", wanted.id)
    shown = played(Path(clip.file.path).read_bytes())
    # A second of the visit and two before it, from the last key frame before that on; there is
    # one each second.
    assert shown.times_s[-1] == 3.9


def test_clip_of_somebody_who_is_recognised_late_shows_how(written: Clips, camera: Camera) -> None:
    tape, stream_id = _recorded(camera, seconds=14), uuid7()
    with clips().of_stream(stream_id, camera, tape):
        wanted = clips().want(stream_id, timezone.now() - timedelta(minutes=1))
    _open(camera.collection, wanted)
    assert written.flush(20)
    clip = Clip.objects.get()
    assert (clip.state, clip.message) == ("ready", "")
    assert clip.seconds > 2


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def test_people_who_come_together_share_one_clip(written: Clips, camera: Camera) -> None:
    tape, stream_id = _tape(camera), uuid7()
    packets = video_packets(seconds=12)
    came_s = packets[50].at_s
    with clips().of_stream(stream_id, camera, tape):
        wanted = []
        for number, packet in enumerate(packets):
            tape.add(packet)
            # Five people within 1.2 s, each recognised after half a second.
            if number in range(55, 70, 3):
                wanted.append(clips().want(stream_id, _at(packet.at_s - 0.5)))
        for each in wanted:
            _open(camera.collection, each)
        assert written.flush(20)
    clip = Clip.objects.get()
    assert (Event.objects.count(), Event.objects.filter(clip=clip).count()) == (5, 5)
    assert clip.state == "ready"
    # Three seconds after the last of them came; the first came two seconds after it began.
    assert clip.ends_at == _at(came_s + 1.2 + 3)
    shown = played(Path(clip.file.path).read_bytes())
    assert 5.9 < shown.times_s[-1] + 0.1 < 7.5


def test_visits_all_day_long_make_clips_of_limited_length(written: Clips, camera: Camera) -> None:
    tape, stream_id = _tape(camera), uuid7()
    packets = video_packets(seconds=14, begins_s=time.time())
    with clips().of_stream(stream_id, camera, tape):
        found = []
        for number, packet in enumerate(packets):
            tape.add(packet)
            if number % 10 == 5:
                found.append(clips().want(stream_id, _at(packet.at_s)))
    wanted = {each.id: each for each in found if each is not None}
    assert len(wanted) == 4, "each is of four visits, the last of two"
    lengths = {(each.ends_at - each.begins_at).total_seconds() for each in found if each}
    assert max(lengths) <= 2 + 2 * 3


@pytest.mark.parametrize(("after_s", "is_shared"), [(1.0, True), (2.5, False)])
def test_visit_that_is_recognised_after_a_clip_shares_it_if_enough_is_shown(
    written: Clips, camera: Camera, after_s: float, *, is_shared: bool
) -> None:
    tape, stream_id = _tape(camera), uuid7()
    packets = video_packets(seconds=9)
    came_s = packets[40].at_s
    with clips().of_stream(stream_id, camera, tape):
        for number, packet in enumerate(packets):
            tape.add(packet)
            if number == 41:
                first = clips().want(stream_id, _at(came_s))
        later = clips().want(stream_id, _at(came_s + after_s))
    assert first is not None
    assert later is not None
    assert (later.id == first.id) == is_shared


def test_clip_that_was_deleted_is_not_made_again_for_a_visit_that_shares_it(
    written: Clips, camera: Camera
) -> None:
    tape, stream_id = _recorded(camera, seconds=8), uuid7()
    at = _complete_at(tape)
    with clips().of_stream(stream_id, camera, tape):
        first = _open(camera.collection, clips().want(stream_id, at))
        assert written.flush(20)
        event_delete(event=first, actor=ACTOR)
        later = _open(camera.collection, clips().want(stream_id, at))
    assert later.clip is None
    assert not Clip.objects.exists()


def test_clip_that_was_lost_is_not_shared(
    written: Clips, camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING_BYTES", 0)
    tape, stream_id = _recorded(camera, seconds=8), uuid7()
    at = _complete_at(tape)
    with clips().of_stream(stream_id, camera, tape):
        wanted = [clips().want(stream_id, at) for _ in range(2)]
    assert len({each.id for each in wanted if each}) == 2


def test_clip_waits_for_the_row_of_its_event(written: Clips, camera: Camera) -> None:
    wanted = _wanted(camera, _recorded(camera))
    assert not written.flush(0.3)
    _open(camera.collection, wanted)
    assert written.flush(20)
    assert Clip.objects.get().state == "ready"


def test_clip_waits_for_a_database_that_is_away(
    written: Clips, camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, tries = module.clip_store, []

    def away(**values: Any) -> bool:
        tries.append(1)
        if len(tries) < 4:
            raise OperationalError("gone away")
        return store(**values)

    monkeypatch.setattr(module, "clip_store", away)
    _open(camera.collection, _wanted(camera, _recorded(camera)))
    assert written.flush(20)
    assert Clip.objects.get().state == "ready"


def test_clip_of_an_event_that_is_never_written_is_dropped(
    written: Clips, camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ROW_WITHIN_S", 0.1)
    _wanted(camera, _recorded(camera))
    assert written.flush(20)
    assert written._bytes == 0
    assert not stored_files()


def test_full_disk_loses_the_clip_and_not_the_event(
    written: Clips, camera: Camera, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = _wanted(camera, _recorded(camera))
    event = _open(camera.collection, None)
    # The disk became full after the row of the event was written.
    clip = new_clip(event.started_at, pk=wanted.id)
    settings.KEEP_FREE_BYTES = 2**60
    Event.objects.filter(pk=event.pk).update(clip=clip)
    assert written.flush(20)
    clip.refresh_from_db()
    assert clip.state == "lost"
    assert "disk is full" in clip.message
    assert "a clip was lost" in caplog.text
    assert Event.objects.filter(pk=event.pk).exists()
    assert stored_files() == named_files()


def test_waiting_clips_are_limited_in_bytes(
    written: Clips, camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    tape = _recorded(camera)
    size = sum(len(packet.data) for group in tape._groups for packet in group.packets)
    monkeypatch.setattr(module, "MOST_WAITING_BYTES", 3 * size)
    wanted = [_wanted(camera, _recorded(camera)) for _ in range(8)]
    assert written._bytes <= 3 * size
    for each in wanted:
        _open(camera.collection, each)
    assert written.flush(30)
    assert written._bytes == 0
    lost = Clip.objects.filter(state="lost")
    assert Clip.objects.filter(state="ready").count() >= 3
    assert lost.exists()
    assert set(lost.values_list("message", flat=True)) == {module._TOO_SLOW}


def test_clip_without_a_key_frame_is_lost_with_its_reason(written: Clips, camera: Camera) -> None:
    _open(camera.collection, _wanted(camera, _tape(camera)))
    assert written.flush(20)
    clip = Clip.objects.get()
    assert clip.state == "lost"
    assert "No picture of the camera" in clip.message


def test_stopping_writes_the_clips_that_wait(written: Clips, camera: Camera) -> None:
    _open(camera.collection, _wanted(camera, _recorded(camera)))
    assert written.stop(20)
    assert Clip.objects.get().state == "ready"


def test_writer_never_holds_up_the_camera(
    written: Clips, camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tape goes on while a clip is being written."""
    is_writing = []

    def slow(**values: Any) -> bool:
        is_writing.append(1)
        time.sleep(0.5)
        return True

    monkeypatch.setattr(module, "clip_store", slow)
    _wanted(camera, _recorded(camera))
    until(lambda: is_writing)
    tape = _tape(camera)
    for packet in video_packets(seconds=1):
        tape.add(packet)
    assert not written.flush(0), "the writer is still busy"
