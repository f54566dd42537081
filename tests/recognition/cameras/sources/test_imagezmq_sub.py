"""Publishers of ImageZMQ, in processes of their own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np
import pytest
import zmq

from recognition.cameras.models import Camera
from recognition.cameras.sources import addresses
from recognition.cameras.sources.base import Picture, Remark, SourceFailed
from recognition.cameras.sources.imagezmq_sub import ImageZmqPublisher
from recognition.web.errors import ServiceError
from tests.fakes import photo, portrait
from tests.recognition.cameras.sources.imagezmq_peer import Peer, sending
from tools.ports import free_port


@pytest.fixture
def address(settings: Any) -> str:
    settings.CAMERA_ALLOW_LOCAL = True
    return f"tcp://127.0.0.1:{free_port()}"


def _camera(address: str) -> Camera:
    return Camera(kind="imagezmq_sub", address=address)


@pytest.fixture
def frames(address: str) -> Iterator[Iterator[Picture | Remark]]:
    with closing(ImageZmqPublisher().frames(_camera(address), threading.Event())) as source:
        yield source


def _next_picture(frames: Iterator[Picture | Remark]) -> Picture:
    return next(one for one in frames if not isinstance(one, Remark))


def test_pictures_of_send_jpg_and_send_image_come_as_rgb(
    address: str, frames: Iterator[Picture | Remark]
) -> None:
    with sending(address, ["door"], "--publish"):
        assert _next_picture(frames) == photo(11, size=60, looks=1)
    with sending(address, ["door"], "--publish", "--raw"):
        while not callable(picture := _next_picture(frames)):
            pass
    assert np.array_equal(picture(), portrait(11, size=60, looks=1))


def test_publisher_that_is_not_there_yet_or_dies_is_awaited(
    address: str, frames: Iterator[Picture | Remark]
) -> None:
    assert next(frames) == Remark(f"Waiting for {address}.", is_waiting=True)
    with sending(address, ["door"], "--publish"):
        assert next(frames) == Remark("")
        assert isinstance(next(frames), bytes)
    peer = Peer(address, "door", "--publish", "--person", "12")
    while _next_picture(frames) != photo(12, size=60, looks=1):
        pass
    peer.kill()


def test_frame_after_a_pause_of_the_receiver_is_new(
    address: str, frames: Iterator[Picture | Remark]
) -> None:
    """Of 60 frames that came meanwhile, the last is taken and not the first."""
    with zmq.Context() as context, context.socket(zmq.PUB) as socket:
        socket.set(zmq.LINGER, 0)
        socket.set(zmq.SNDHWM, 1000)
        socket.bind(address)
        assert next(frames) == Remark(f"Waiting for {address}.", is_waiting=True)
        for number in range(40):
            socket.send_multipart([b'{"msg": "door"}', photo(1, looks=number % 12)])
            time.sleep(0.005)
        _next_picture(frames)
        last = photo(2)
        for picture in [photo(3)] * 20 + [last]:
            socket.send_multipart([b'{"msg": "door"}', picture])
            time.sleep(0.005)
        taken = [_next_picture(frames)]
        while taken[-1] != last:
            taken.append(_next_picture(frames))
        assert len(taken) < 10


def test_publisher_of_garbage_is_told_of_and_its_pictures_are_taken_again(
    address: str, frames: Iterator[Picture | Remark]
) -> None:
    with zmq.Context() as context, context.socket(zmq.PUB) as socket:
        socket.set(zmq.LINGER, 0)
        socket.bind(address)
        next(frames)
        time.sleep(0.3)
        socket.send(b"garbage")
        remark = next(frames)
        assert isinstance(remark, Remark)
        assert "two parts" in remark.text
        socket.send_multipart([b'{"msg": "door"}', photo(1)])
        assert next(frames) == Remark("")
        assert next(frames) == photo(1)


@pytest.mark.parametrize(
    "address",
    ["", "door", "tcp://door", "tcp://*:5555", "tcp://:5555", "ipc:///tmp/x", "tcp://a:b",
     "inproc://a", "tcp://door:5555/x", "tcp://me:secret@door:5555", "tcp://door:99999"],
)  # fmt: skip
def test_address_that_is_not_of_a_publisher_is_refused(address: str) -> None:
    with pytest.raises(ServiceError) as refused:
        ImageZmqPublisher().check(_camera(address))
    assert refused.value.code == "bad_address"


@pytest.mark.parametrize(
    "address", ["tcp://pi.local:5555", "tcp://10.0.0.7:5555", "tcp://[fd00::1]:1"]
)
def test_address_of_a_publisher_is_accepted(address: str) -> None:
    ImageZmqPublisher().check(_camera(address))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "100.100.100.200"]
)
def test_address_of_this_machine_or_of_a_cloud_service_is_refused(host: str) -> None:
    with pytest.raises(ServiceError, match="CAMERA_ALLOW_LOCAL"):
        ImageZmqPublisher().check(_camera(f"tcp://{host}:5555"))


def test_name_that_resolves_to_this_machine_is_refused_when_it_is_played(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(addresses, "resolved", lambda host, port: ["127.0.0.1"])
    camera = _camera("tcp://pi.example:5555")
    ImageZmqPublisher().check(camera)
    with pytest.raises(SourceFailed, match="CAMERA_ALLOW_LOCAL"):
        next(ImageZmqPublisher().frames(camera, threading.Event()))
