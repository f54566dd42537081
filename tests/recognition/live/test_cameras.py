"""File cameras: played as their rows say, in real time, and back after a failure."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from recognition.cameras.models import Camera, CameraHost
from recognition.cameras.services.streams import stream_begin
from recognition.cameras.sources import BROWSER, FILE
from recognition.events.models import Event
from recognition.live import cameras as module
from recognition.live import player
from recognition.live.cameras import CameraRunner
from recognition.live.writer import visit_writer
from recognition.people.models import Collection
from recognition.web.identifiers import uuid7
from recognition.web.leases import DatabaseTime, take
from recognition.web.process import process
from tests.factories import enrol, make_camera, make_person
from tests.fakes import FakeEngine, portrait
from tests.recognition.live.streams import until

pytestmark = pytest.mark.django_db(transaction=True)

ANN = 11
MakeVideo = Callable[..., str]


@pytest.fixture(autouse=True)
def _no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_S", 0.1)
    monkeypatch.setattr(player, "_FIRST_PAUSE_S", 0.1)


@pytest.fixture
def make_video(settings: Any) -> MakeVideo:
    """A video of a person in the video folder; its name."""

    def make(name: str = "ann.mp4", *, person: int = ANN, frames: int = 10, fps: float = 20) -> str:
        picture = cv2.cvtColor(portrait(person, looks=1), cv2.COLOR_RGB2BGR)
        picture = cv2.resize(picture, (picture.shape[1] // 2 * 2, picture.shape[0] // 2 * 2))
        size = (picture.shape[1], picture.shape[0])
        path = str(Path(settings.VIDEO_DIR) / name)
        video = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*"mp4v"), fps, size)
        assert video.isOpened()
        for _ in range(frames):
            video.write(picture)
        video.release()
        return name

    return make


@pytest.fixture
def runner(engine: FakeEngine) -> Iterator[CameraRunner]:
    made = CameraRunner()
    made.start()
    yield made
    assert made.stop(20)
    assert visit_writer().flush(20)


def _file_camera(collection: Collection, address: str, **values: Any) -> Camera:
    return make_camera(collection, kind=FILE, address=address, max_fps=30, **values)


def _has_status(camera: Camera, status: Camera.Status) -> Callable[[], bool]:
    return lambda: Camera.objects.filter(pk=camera.pk, status=status).exists()


def test_a_video_is_played_into_the_live_pipeline(
    runner: CameraRunner, make_video: MakeVideo, collection: Collection
) -> None:
    person = make_person(collection, name="Ann")
    enrol(person, ANN)
    camera = _file_camera(collection, make_video())
    until(_has_status(camera, Camera.Status.RUNNING))
    # The video lasts half a second: it has to be played several times.
    until(lambda: Event.objects.filter(person=person, camera=camera).exists())
    time.sleep(1)
    assert Event.objects.count() == 1
    Camera.objects.update(is_enabled=False)
    until(_has_status(camera, Camera.Status.OFF))
    assert visit_writer().flush(20)
    assert not Event.objects.get().is_open


def test_a_video_that_does_not_loop_ends(
    runner: CameraRunner, make_video: MakeVideo, collection: Collection
) -> None:
    camera = _file_camera(collection, make_video(frames=4), loops=False)
    until(lambda: Camera.objects.filter(status_message="Played to the end.").exists())
    camera.refresh_from_db()
    assert camera.status == Camera.Status.OFF


def test_missing_video_is_reported_and_tried_again(
    runner: CameraRunner, make_video: MakeVideo, collection: Collection
) -> None:
    camera = _file_camera(collection, "later.mp4")
    until(_has_status(camera, Camera.Status.FAILED))
    camera.refresh_from_db()
    assert "later.mp4" in camera.status_message
    make_video("later.mp4")
    until(_has_status(camera, Camera.Status.RUNNING))


def test_file_that_is_no_video_is_reported(
    runner: CameraRunner, collection: Collection, settings: Any
) -> None:
    (Path(settings.VIDEO_DIR) / "text.mp4").write_text("no video")
    camera = _file_camera(collection, "text.mp4")
    until(_has_status(camera, Camera.Status.FAILED))
    camera.refresh_from_db()
    assert camera.status_message == "text.mp4 is not a video that can be played."


@pytest.mark.parametrize("address", ["../secret.mp4", "/etc/passwd", "", ".."])
def test_nothing_outside_the_video_folder_is_played(
    runner: CameraRunner, collection: Collection, settings: Any, address: str
) -> None:
    camera = _file_camera(collection, address)
    until(_has_status(camera, Camera.Status.FAILED))


def test_a_changed_row_starts_the_camera_anew(
    runner: CameraRunner, make_video: MakeVideo, collection: Collection
) -> None:
    camera = _file_camera(collection, make_video())
    until(_has_status(camera, Camera.Status.RUNNING))
    Camera.objects.update(address="gone.mp4")
    until(_has_status(camera, Camera.Status.FAILED))
    Camera.objects.update(address=make_video("other.mp4"))
    until(_has_status(camera, Camera.Status.RUNNING))


def test_a_camera_that_is_removed_is_stopped(
    runner: CameraRunner, make_video: MakeVideo, collection: Collection
) -> None:
    camera = _file_camera(collection, make_video())
    until(_has_status(camera, Camera.Status.RUNNING))
    Camera.objects.all().delete()
    until(lambda: not runner._played)


def test_stopping_releases_every_camera(
    engine: FakeEngine, make_video: MakeVideo, collection: Collection
) -> None:
    camera = _file_camera(collection, make_video())
    runner = CameraRunner()
    runner.start()
    until(_has_status(camera, Camera.Status.RUNNING))
    assert runner.stop(20)
    camera.refresh_from_db()
    assert (camera.owner, camera.status) == ("", Camera.Status.WAITING)
    assert not CameraHost.objects.exists()


def test_cameras_of_browsers_are_not_played(runner: CameraRunner, collection: Collection) -> None:
    make_camera(collection, kind=BROWSER)
    other = _file_camera(collection, "none.mp4")
    until(_has_status(other, Camera.Status.FAILED))
    assert len(runner._played) == 1


def test_camera_of_another_process_is_left_alone(
    runner: CameraRunner, make_video: MakeVideo, collection: Collection
) -> None:
    camera = _file_camera(collection, make_video())
    assert take(Camera.objects.filter(pk=camera.pk), owner="another", status="running")
    mine = _file_camera(collection, make_video("mine.mp4"))
    until(_has_status(mine, Camera.Status.RUNNING))
    camera.refresh_from_db()
    assert (camera.owner, camera.status) == ("another", Camera.Status.RUNNING)


def test_camera_is_taken_over_once_its_lease_lapsed(
    runner: CameraRunner, make_video: MakeVideo, collection: Collection
) -> None:
    camera = _file_camera(collection, make_video())
    Camera.objects.update(owner="another", lease_number=7, lease_until=DatabaseTime(0.5))
    until(_has_status(camera, Camera.Status.RUNNING))
    camera.refresh_from_db()
    assert (camera.owner, camera.lease_number) == (process().id, 8)


def test_camera_is_taken_only_when_its_last_stream_is_over(
    runner: CameraRunner, make_video: MakeVideo, collection: Collection
) -> None:
    """Otherwise two processes could have open visits of one camera."""
    camera = _file_camera(collection, make_video(), is_enabled=False)
    stream = stream_begin(stream_id=uuid7(), collection=collection, camera=camera)
    stream.rows.update(owner="another")
    Camera.objects.update(is_enabled=True)
    time.sleep(0.7)
    camera.refresh_from_db()
    assert camera.owner == ""
    stream.rows.update(lease_until=DatabaseTime(-1))
    until(_has_status(camera, Camera.Status.RUNNING))
    assert stream.rows.get().ended_at is not None


def test_camera_that_another_process_took_is_stopped_at_once(
    runner: CameraRunner, make_video: MakeVideo, collection: Collection, settings: Any
) -> None:
    settings.LEASE_S = 0.6
    camera = _file_camera(collection, make_video())
    until(_has_status(camera, Camera.Status.RUNNING))
    player_of_ours = runner._played[camera.pk].player
    Camera.objects.update(owner="another", lease_number=99, lease_until=DatabaseTime(60))
    until(lambda: player_of_ours.is_stopped)
    assert player_of_ours.join(10)
    until(lambda: not runner._played)
    camera.refresh_from_db()
    assert camera.owner == "another"


def test_camera_of_a_node_is_played_there_alone(
    runner: CameraRunner, make_video: MakeVideo, collection: Collection
) -> None:
    elsewhere = _file_camera(collection, make_video(), node="gate")
    here = _file_camera(collection, make_video("here.mp4"), node=process().node)
    until(_has_status(here, Camera.Status.RUNNING))
    elsewhere.refresh_from_db()
    assert elsewhere.owner == ""
    Camera.objects.filter(pk=here.pk).update(node="gate")
    until(_has_status(here, Camera.Status.WAITING))
    here.refresh_from_db()
    assert here.status_message == "Waiting for its node gate."


def test_cameras_are_shared_with_a_process_that_comes(
    runner: CameraRunner, make_video: MakeVideo, collection: Collection
) -> None:
    cameras = [_file_camera(collection, make_video()) for _ in range(3)]
    until(lambda: len(runner._played) == 3)
    CameraHost.objects.create(process="another", node="gate")
    until(lambda: len(runner._played) == 2)
    assert Camera.objects.filter(owner="", status=Camera.Status.WAITING).count() == 1
    CameraHost.objects.filter(pk="another").delete()
    until(lambda: len(runner._played) == len(cameras))


def test_process_whose_engine_is_not_ready_leaves_cameras_to_others(
    engine: FakeEngine,
    make_video: MakeVideo,
    collection: Collection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_engine_is_ready", lambda: False)
    _file_camera(collection, make_video())
    another = CameraHost.objects.create(process="another", node="gate")
    runner = CameraRunner()
    runner.start()
    time.sleep(0.5)
    assert not runner._played
    another.delete()
    until(lambda: runner._played)
    assert runner.stop(20)


def test_lapsed_leases_are_left_alone_after_the_database_was_away(
    runner: CameraRunner, make_video: MakeVideo, collection: Collection, settings: Any
) -> None:
    """Their owners live, and renew them."""
    settings.LEASE_S = 3.0
    runner._contact.failed()
    camera = _file_camera(collection, make_video())
    Camera.objects.update(owner="another", lease_number=7, lease_until=DatabaseTime(-1))
    time.sleep(1)
    camera.refresh_from_db()
    assert camera.owner == "another"
    until(_has_status(camera, Camera.Status.RUNNING))


@pytest.mark.parametrize(("fps", "expected"), [(60.0, 250), (10.0, 100), (25.0, 250), (4.0, 40)])
def test_rate_of_a_camera_is_kept_on_average(fps: float, expected: int) -> None:
    """Ten seconds of 25 frames a second, which come up to 8 ms early or late."""
    rate = player._Rate(fps)
    late = np.random.default_rng(1).uniform(-0.008, 0.008, 250)
    allowed = sum(rate.allows(100 + at / 25 + late[at]) for at in range(250))
    assert allowed == pytest.approx(expected, abs=3)
