"""Network cameras in the live pipeline: people are named, and each fault passes without a hand."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.fernet import Fernet

from recognition.cameras.models import Camera, Stream
from recognition.cameras.services.cameras import camera_update
from recognition.events.models import Event
from recognition.live import cameras as module
from recognition.live import player
from recognition.live.cameras import CameraRunner
from recognition.live.player import CameraPlayer, CameraState
from recognition.live.writer import visit_writer
from recognition.people.models import Collection
from recognition.web.transactions import in_transaction
from tests.factories import ACTOR, enrol, make_camera, make_person
from tests.fakes import FakeEngine
from tests.recognition.cameras.network import local_cameras, rtsp_server, sent_pictures
from tests.recognition.cameras.sources.http_peer import PASSWORD, USER
from tests.recognition.cameras.sources.rtsp_peer import PERSON, RtspServer
from tests.recognition.live.streams import until

__all__ = ["local_cameras", "rtsp_server", "sent_pictures"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("local_cameras")]


@pytest.fixture(autouse=True)
def _no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_S", 0.1)
    monkeypatch.setattr(player, "_FIRST_PAUSE_S", 0.1)
    monkeypatch.setattr(player, "_LONGEST_PAUSE_S", 0.5)


@pytest.fixture
def runner(engine: FakeEngine, settings: Any) -> Iterator[CameraRunner]:
    settings.FIELD_KEYS = [Fernet.generate_key().decode()]
    made = CameraRunner()
    made.start()
    yield made
    assert made.stop(20)
    assert visit_writer().flush(20)


def _is(camera: Camera, status: Camera.Status, message: str = "") -> Callable[[], bool]:
    rows = Camera.objects.filter(pk=camera.pk, status=status, status_message__contains=message)
    return rows.exists


def _camera(collection: Collection, url: str, **values: Any) -> Camera:
    return make_camera(collection, kind="rtsp", address=url, **values)


def _change(camera: Camera, **values: Any) -> None:
    """Tried again if the database takes the runner's write for a deadlock with it."""
    in_transaction(lambda: camera_update(camera=camera, actor=ACTOR, **values))


def test_camera_that_cannot_be_opened_is_never_shown_as_running(
    engine: FakeEngine, collection: Collection
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"rtsp://127.0.0.1:{server.getsockname()[1]}/a"
    shown: list[CameraState] = []
    playing = CameraPlayer(_camera(collection, url), lambda: shown.append(playing.state))
    playing.start()
    until(lambda: shown)
    time.sleep(0.5)
    playing.stop()
    assert playing.join(20)
    assert [state.status for state in shown] == [Camera.Status.FAILED]
    assert not Stream.objects.exists()


def test_person_in_front_of_a_network_camera_is_one_event(
    runner: CameraRunner, rtsp_server: RtspServer, collection: Collection
) -> None:
    person = make_person(collection, name="Ann")
    enrol(person, PERSON)
    camera = _camera(collection, rtsp_server.url("people"))
    until(lambda: Event.objects.filter(person=person, camera=camera).exists())
    assert _is(camera, Camera.Status.RUNNING)()
    _change(camera, is_enabled=False)
    until(_is(camera, Camera.Status.OFF))
    assert visit_writer().flush(20)
    assert not Event.objects.get().is_open


def test_network_camera_that_was_gone_is_played_again(
    runner: CameraRunner, rtsp_server: RtspServer, collection: Collection
) -> None:
    camera = _camera(collection, rtsp_server.url("h264"))
    until(_is(camera, Camera.Status.RUNNING))
    rtsp_server.stop()
    try:
        until(_is(camera, Camera.Status.FAILED, "refuses the connection"))
    finally:
        rtsp_server.start()
    until(_is(camera, Camera.Status.RUNNING))


def test_network_camera_follows_its_address_and_password(
    runner: CameraRunner, rtsp_server: RtspServer, collection: Collection
) -> None:
    camera = _camera(collection, rtsp_server.url("nothing"))
    until(_is(camera, Camera.Status.FAILED, "404"))
    _change(camera, address=rtsp_server.url("h264", has_password=True))
    until(_is(camera, Camera.Status.FAILED, "401"))
    _change(camera, username=USER, password=PASSWORD)
    until(_is(camera, Camera.Status.RUNNING))


def test_network_camera_whose_key_is_missing_says_so(
    runner: CameraRunner, collection: Collection, settings: Any
) -> None:
    camera = _camera(collection, "rtsp://192.168.1.20/a", password="s3cret", is_enabled=False)
    settings.FIELD_KEYS = []
    _change(camera, is_enabled=True)
    until(_is(camera, Camera.Status.FAILED, "not in FIELD_KEYS"))


def test_rotated_keys_restart_no_camera(
    runner: CameraRunner, rtsp_server: RtspServer, collection: Collection
) -> None:
    url = rtsp_server.url("h264", has_password=True)
    camera = _camera(collection, url, username=USER, password=PASSWORD)
    row = Camera.objects.get(pk=camera.pk)
    before = module._signature(row)
    row.password = row.password.rotated()
    row.save(update_fields=["password"])
    assert module._signature(Camera.objects.get(pk=camera.pk)) == before
