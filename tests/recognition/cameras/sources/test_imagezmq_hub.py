"""The hub of ImageZMQ, with senders that are good, mad, slow or gone."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
import zmq

from recognition.cameras.models import Camera
from recognition.cameras.sources import imagezmq_hub
from recognition.cameras.sources.base import Picture, Remark
from recognition.cameras.sources.imagezmq import ImageZmq
from recognition.cameras.sources.imagezmq_hub import ImageZmqHub
from recognition.web.process import process
from tests.fakes import photo
from tests.recognition.cameras.sources.imagezmq_peer import Peer, sending

HEADER = b'{"msg": "door"}'
JPEG = photo(1)
TINY = [b'{"msg": "barn|Heartbeat|5", "dtype": "uint8", "shape": [3, 3]}', bytes(9)]


@pytest.fixture
def hub() -> Iterator[ImageZmqHub]:
    made = process().part(ImageZmqHub)
    made.open()
    assert made.problem == ""
    yield made
    made.close()


@pytest.fixture
def connect(hub: ImageZmqHub) -> Iterator[Callable[..., zmq.Socket[bytes]]]:
    """A socket that is connected to the hub."""
    with zmq.Context() as context:
        made = []

        def connected(kind: int = zmq.REQ) -> zmq.Socket[bytes]:
            client = context.socket(kind)
            client.set(zmq.LINGER, 0)
            client.set(zmq.RCVTIMEO, 10_000)
            client.connect(hub.address)
            made.append(client)
            return client

        yield connected
        for client in made:
            client.close()


@contextmanager
def _played(
    name: str, *, answers: str = "ok", waits: bool = True
) -> Iterator[Iterator[Picture | Remark]]:
    """The frames of this sender. waits: return only after the first one has come."""
    camera = Camera(kind="imagezmq", address=name, answers=answers)
    with closing(ImageZmq().frames(camera, threading.Event())) as frames:
        assert not waits or isinstance(next(frames), Remark)
        yield frames


def _asked(client: zmq.Socket[bytes], *parts: bytes) -> bytes:
    client.send_multipart(parts)
    return client.recv()


def _next_picture(frames: Iterator[Picture | Remark]) -> Picture:
    return next(one for one in frames if not isinstance(one, Remark))


def test_ten_senders_of_both_forms_are_answered_and_told_apart(hub: ImageZmqHub) -> None:
    jpg, raw = [f"jpg {n}" for n in range(5)], [f"raw {n}" for n in range(5)]
    with sending(hub.address, jpg) as some, sending(hub.address, raw, "--raw") as others:
        for peer in (*some, *others):
            peer.await_answers(5)
            assert set(peer.answers) == {"OK"}
        with _played("jpg 3", waits=False) as frames:
            assert _next_picture(frames) == photo(11, size=60, looks=1)
        with _played("raw 4", waits=False) as frames:
            assert callable(_next_picture(frames))
        assert set(hub.strangers()) == {*jpg, *raw} - {"jpg 3", "raw 4"}


def test_sender_that_is_killed_and_comes_back_is_seen_again(hub: ImageZmqHub) -> None:
    with _played("door") as frames:
        first = Peer(hub.address, "door")
        assert _next_picture(frames) == photo(11, size=60, looks=1)
        first.kill()
        with sending(hub.address, ["door"], "--person", "12"):
            while _next_picture(frames) != photo(12, size=60, looks=1):
                pass


@pytest.mark.parametrize(
    "garbage",
    [
        [b"garbage"],
        [b"", b""],
        [b"{", JPEG],
        [HEADER, JPEG, b"more"],
        [b"x" * 10_000, JPEG],
        [b'{"msg": "door", "dtype": "uint8", "shape": [900, 900, 3]}', bytes(10)],
        [b'{"msg": "door", "dtype": "float64", "shape": [2, 2, 3]}', bytes(96)],
    ],
)
def test_garbage_is_answered_and_others_go_on(
    connect: Callable[..., zmq.Socket[bytes]], garbage: list[bytes]
) -> None:
    mad, good = connect(), connect()
    for _ in range(3):
        assert _asked(mad, *garbage).startswith(b"ERROR ")
        assert _asked(good, HEADER, JPEG) == b"OK"
    assert _asked(mad, HEADER, JPEG) == b"OK"


def test_peers_that_are_no_senders_disturb_nobody(
    connect: Callable[..., zmq.Socket[bytes]],
) -> None:
    """One does not know the envelope of a request, one sends without reading an answer."""
    odd, eager = connect(zmq.DEALER), connect(zmq.DEALER)
    for number in range(500):
        odd.send_multipart([b"x", b"y"] if number % 2 else [b"z"])
        eager.send_multipart([b"", HEADER, JPEG])
    assert _asked(connect(), HEADER, JPEG) == b"OK"


def test_message_larger_than_any_picture_ends_its_connection_alone(
    connect: Callable[..., zmq.Socket[bytes]],
) -> None:
    large, good = connect(), connect()
    large.send_multipart([HEADER, bytes(imagezmq_hub.LARGEST_PART + 1)])
    assert _asked(good, HEADER, JPEG) == b"OK"
    large.set(zmq.RCVTIMEO, 500)
    with pytest.raises(zmq.Again):
        large.recv()


def test_sender_that_hangs_within_a_message_holds_nobody(
    hub: ImageZmqHub, connect: Callable[..., zmq.Socket[bytes]]
) -> None:
    host, port = hub.address.removeprefix("tcp://").split(":")
    with socket.create_connection((host, int(port))) as slow:
        # The greeting of ZMTP 3.0, and no more.
        slow.sendall(b"\xff" + bytes(8) + b"\x7f\x03")
        assert _asked(connect(), HEADER, JPEG) == b"OK"


def test_camera_says_what_is_wrong_with_its_sender(
    connect: Callable[..., zmq.Socket[bytes]],
) -> None:
    client = connect()
    with _played("door") as frames:
        _asked(client, HEADER, b"no JPEG")
        remark = next(frames)
        assert isinstance(remark, Remark)
        assert "not a JPEG" in remark.text
        _asked(client, HEADER, JPEG)
        assert next(frames) == Remark("")
        assert next(frames) == JPEG


def test_texts_of_imagenode_reach_the_cameras_of_the_node_and_make_no_stranger(
    hub: ImageZmqHub, connect: Callable[..., zmq.Socket[bytes]]
) -> None:
    with _played("barn door") as frames:
        assert _asked(connect(), *TINY) == b"OK"
        assert next(frames) == Remark("Its sender says: Heartbeat 5")
    assert hub.strangers() == {}


def test_unknown_names_are_counted_and_bounded(
    hub: ImageZmqHub, connect: Callable[..., zmq.Socket[bytes]]
) -> None:
    client = connect()
    for _ in range(3):
        assert _asked(client, HEADER, JPEG) == b"OK"
    assert hub.strangers() == {"door": 3}
    for number in range(100):
        _asked(client, json.dumps({"msg": f"name {number}"}).encode(), JPEG)
    assert len(hub.strangers()) == 50
    with _played("door"):
        assert "door" not in hub.strangers()


def test_answers_of_a_camera_come_back_as_json(
    connect: Callable[..., zmq.Socket[bytes]],
) -> None:
    client = connect()
    with _played("door", answers="json") as frames:
        assert json.loads(_asked(client, HEADER, JPEG))["type"] == "status"
        _next_picture(frames)
        ImageZmq().answer(Camera(address="door"), {"type": "faces", "faces": []})
        told = json.loads(_asked(client, HEADER, JPEG))
        assert told.pop("age_ms") < 10_000
        assert told == {"type": "faces", "faces": []}
    assert _asked(client, HEADER, JPEG) == b"OK"


def test_frame_is_answered_before_anybody_takes_it(
    connect: Callable[..., zmq.Socket[bytes]],
) -> None:
    """Nobody reads the frames of the camera, so only the newest one is kept."""
    client = connect()
    with _played("door") as frames:
        for number in range(20):
            assert _asked(client, HEADER, photo(number)) == b"OK"
        assert next(frames) == Remark("")
        assert next(frames) == photo(19)


def test_camera_goes_on_when_a_test_of_the_same_sender_has_ended(
    connect: Callable[..., zmq.Socket[bytes]],
) -> None:
    client = connect()
    with _played("door") as frames:
        with _played("door") as tested:
            _asked(client, HEADER, JPEG)
            assert _next_picture(tested) == _next_picture(frames) == JPEG
        _asked(client, HEADER, photo(2))
        assert _next_picture(frames) == photo(2)


def test_port_in_use_is_told_and_tried_again(settings: Any) -> None:
    with zmq.Context() as context, context.socket(zmq.REP) as other:
        port = other.bind_to_random_port("tcp://127.0.0.1")
        settings.IMAGEZMQ_BIND = f"tcp://127.0.0.1:{port}"
        hub = process().part(ImageZmqHub)
        hub.open()
        camera = Camera(kind="imagezmq", address="door")
        with closing(ImageZmq().frames(camera, threading.Event())) as frames:
            remark = next(frames)
            assert isinstance(remark, Remark)
            assert "in use" in remark.text
    hub.open()
    assert hub.problem == ""
    hub.close()


def test_closing_answers_every_sender_and_hangs_none(hub: ImageZmqHub, settings: Any) -> None:
    """A plain sender hangs for ever if its frame is received and not answered: all must go on with
    the next hub at this address."""
    with sending(hub.address, [f"door {n}" for n in range(4)], "--fps", "50") as peers:
        for peer in peers:
            peer.await_answers(3)
        for _ in range(3):
            before = hub.address
            hub.close()
            time.sleep(0.2)
            settings.IMAGEZMQ_BIND = before
            hub.open()
            assert hub.problem == ""
            for peer in peers:
                peer.await_answers(3)
