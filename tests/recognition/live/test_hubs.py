"""Cameras of the ImageZMQ hub: which process listens, and where the frames go."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import zmq

from recognition.cameras.models import Camera, CameraHost, CameraHub
from recognition.cameras.services.cameras import camera_create, camera_update
from recognition.cameras.sources.imagezmq_hub import ImageZmqHub
from recognition.engine import use_engine
from recognition.events.models import Event
from recognition.live import cameras as module
from recognition.live.cameras import CameraRunner
from recognition.live.writer import visit_writer
from recognition.people.models import Collection
from recognition.web.errors import ServiceError
from recognition.web.leases import DatabaseTime
from recognition.web.process import process
from tests.factories import ACTOR, enrol, make_camera, make_person
from tests.fakes import FakeEngine, photo
from tests.recognition.cameras.sources.imagezmq_peer import sending
from tests.recognition.live.streams import until

pytestmark = pytest.mark.django_db(transaction=True)

ANN = 11


@pytest.fixture(autouse=True)
def _no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_S", 0.1)


@pytest.fixture
def runner(engine: FakeEngine) -> Iterator[CameraRunner]:
    made = CameraRunner()
    made.start()
    yield made
    assert made.stop(20)
    assert visit_writer().flush(20)


@pytest.fixture
def client() -> Iterator[zmq.Socket[bytes]]:
    """A request socket; connect it."""
    with zmq.Context() as context, context.socket(zmq.REQ) as made:
        made.set(zmq.LINGER, 0)
        made.set(zmq.RCVTIMEO, 10_000)
        yield made


def _camera(collection: Collection, name: str = "door", **values: Any) -> Camera:
    values = {"node": process().node, "max_fps": 60, **values}
    return make_camera(collection, kind="imagezmq", address=name, **values)


def _hub() -> ImageZmqHub:
    return process().part(ImageZmqHub)


def _address() -> str:
    until(lambda: not _hub().problem)
    return _hub().address


def _has_status(camera: Camera, status: Camera.Status) -> Callable[[], bool]:
    return lambda: Camera.objects.filter(pk=camera.pk, status=status).exists()


def test_frames_of_senders_become_visits_and_silent_ones_are_awaited(
    runner: CameraRunner, collection: Collection
) -> None:
    person = make_person(collection, name="Ann")
    enrol(person, ANN)
    door, hall = _camera(collection), _camera(collection, "hall")
    with sending(_address(), ["door"]) as (peer,):
        until(lambda: Event.objects.filter(person=person, camera=door).exists())
        until(_has_status(door, Camera.Status.RUNNING))
        until(_has_status(hall, Camera.Status.WAITING))
        hall.refresh_from_db()
        assert hall.status_message == f"Waiting for hall at {_address()}."
        assert set(peer.answers) == {"OK"}


def test_names_come_back_over_the_socket_of_the_sender(
    runner: CameraRunner, collection: Collection
) -> None:
    enrol(make_person(collection, name="Ann"), ANN)
    _camera(collection, answers="json")
    with sending(_address(), ["door"]) as (peer,):
        peer.until(lambda: '"Ann"' in (peer.answers or [""])[-1])
        answer = json.loads(peer.answers[-1])
        assert answer["type"] == "faces"
        assert answer["faces"][0]["person"]["name"] == "Ann"


def test_plain_sender_goes_on_while_engine_and_cameras_come_and_go(
    runner: CameraRunner, collection: Collection, engine: FakeEngine
) -> None:
    camera = _camera(collection)
    with sending(_address(), ["door"]) as (peer,):
        peer.await_answers(3)
        use_engine(None)
        peer.await_answers(10)
        use_engine(engine)
        for change in ({"is_enabled": False}, {"is_enabled": True}, {"max_fps": 5}):
            camera_update(camera=camera, actor=ACTOR, **change)
            peer.await_answers(10)
        until(_has_status(camera, Camera.Status.RUNNING))
        camera.delete()
        until(lambda: not runner._played)
        peer.await_answers(10)
        assert set(peer.answers) == {"OK"}


def test_unknown_sender_is_stored_for_the_admin(
    runner: CameraRunner, collection: Collection, client: zmq.Socket[bytes]
) -> None:
    _camera(collection)
    client.connect(_address())
    client.send_multipart([b'{"msg": "gate"}', photo(1)])
    assert client.recv() == b"OK"
    until(lambda: CameraHub.objects.get().strangers == {"gate": 1})


def test_all_cameras_of_a_hub_are_played_by_its_process(
    runner: CameraRunner, collection: Collection
) -> None:
    """Although another process of this machine could play some of them."""
    CameraHost.objects.create(process="another", node=process().node)
    cameras = [_camera(collection, f"door {n}") for n in range(3)]
    until(lambda: len(runner._played) == len(cameras))
    hub = CameraHub.objects.get()
    assert (hub.kind, hub.node, hub.owner) == ("imagezmq", process().node, process().id)


def test_cameras_of_a_hub_that_another_process_holds_wait_until_its_lease_lapsed(
    runner: CameraRunner, collection: Collection
) -> None:
    hub = CameraHub.objects.create(
        kind="imagezmq",
        node=process().node,
        strangers={"long gone": 1},
        owner="another",
        lease_number=7,
        lease_until=DatabaseTime(60),
    )
    camera = _camera(collection)
    time.sleep(0.5)
    assert not runner._played
    CameraHub.objects.update(lease_until=DatabaseTime(-1))
    until(_has_status(camera, Camera.Status.WAITING))
    until(lambda: camera.pk in runner._played)
    hub.refresh_from_db()
    assert (hub.owner, hub.lease_number, hub.strangers) == (process().id, 8, {})


def test_hub_of_another_node_is_left_to_it(runner: CameraRunner, collection: Collection) -> None:
    _camera(collection, node="gate")
    here = _camera(collection)
    until(lambda: here.pk in runner._played)
    assert len(runner._played) == 1
    assert CameraHub.objects.get().node == process().node


def test_hub_that_another_process_took_is_closed_with_its_cameras(
    runner: CameraRunner, collection: Collection, settings: Any
) -> None:
    settings.LEASE_S = 0.6
    _camera(collection)
    until(lambda: runner._played)
    until(lambda: not _hub().problem)
    CameraHub.objects.update(owner="another", lease_number=99, lease_until=DatabaseTime(60))
    until(lambda: not runner._played)
    assert _hub().problem
    assert CameraHub.objects.get().owner == "another"


def test_stopping_releases_the_hub(engine: FakeEngine, collection: Collection) -> None:
    camera = _camera(collection)
    runner = CameraRunner()
    runner.start()
    _address()
    until(lambda: camera.pk in runner._played)
    assert runner.stop(20)
    assert CameraHub.objects.get().owner == ""
    assert _hub().problem


def test_camera_of_a_hub_gets_the_node_of_the_process_that_plays_cameras(
    collection: Collection,
) -> None:
    def made(**values: Any) -> Camera:
        values = {"kind": "imagezmq", "address": "door", **values}
        return camera_create(collection=collection, actor=ACTOR, **values)

    assert made(name="one").node == process().node
    CameraHost.objects.create(process="another", node="gate")
    there = made(name="two")
    assert there.node == "gate"
    assert there.status_message == "Waiting for its node gate."
    with pytest.raises(ServiceError) as refused:
        made(name="three")
    assert refused.value.code == "address_taken"
    assert made(name="four", node="hall").node == "hall"


@pytest.mark.parametrize("name", ["", " ", " door", "door|jpg", "a\nb"])
def test_camera_without_a_name_of_a_sender_is_refused(collection: Collection, name: str) -> None:
    with pytest.raises(ServiceError) as refused:
        camera_create(
            collection=collection, actor=ACTOR, name="Hall", kind="imagezmq", address=name
        )
    assert refused.value.code == "bad_address"
