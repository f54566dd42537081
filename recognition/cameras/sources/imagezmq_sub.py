"""ImageZMQ, publish/subscribe: the sender listens, and we connect to it."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from urllib.parse import urlsplit

import zmq

from recognition.cameras.models import Camera
from recognition.cameras.sources.base import Picture, Remark
from recognition.cameras.sources.imagezmq_message import (
    LARGEST_PART,
    BadMessage,
    Received,
    played,
    received_of,
)
from recognition.web.errors import ServiceError

_POLL_MS = 500
# Messages that wait in this process, and those read at once to find the newest. CONFLATE would keep
# the last part of a message alone.
_WAITING = 2
_DRAINED = 50
# After a message was read, those that wait at the sender need a moment to come.
_REFILLED_MS = 1


class ImageZmqPublisher:
    """Its frames are received all the time and the newest one is taken: otherwise they wait at both
    ends of the connection, and the frame that comes out is seconds old."""

    def check(self, camera: Camera) -> None:
        """An address of the form tcp://host:port."""
        try:
            parts = urlsplit(camera.address)
            is_good = bool(parts.scheme == "tcp" and parts.hostname and parts.port)
            is_good &= camera.address == f"tcp://{parts.netloc}" and "@" not in parts.netloc
        except ValueError:
            is_good = False
        if not is_good or camera.address.startswith("tcp://*"):
            raise ServiceError("bad_address", "Name the sender as tcp://host:port.", status=400)

    def frames(
        self, camera: Camera, stopped: threading.Event
    ) -> Generator[Picture | Remark, None, None]:
        with zmq.Context() as context, context.socket(zmq.SUB) as socket:
            socket.set(zmq.LINGER, 0)
            socket.set(zmq.RCVHWM, _WAITING)
            socket.set(zmq.MAXMSGSIZE, LARGEST_PART)
            socket.set(zmq.IPV6, 1)
            socket.subscribe(b"")
            socket.connect(camera.address)
            yield from played(_received(socket, stopped), f"Waiting for {camera.address}.")


def _received(
    socket: zmq.Socket[bytes], stopped: threading.Event
) -> Iterator[Received | Remark | None]:
    while not stopped.is_set():
        if not socket.poll(_POLL_MS):
            yield None
            continue
        parts = socket.recv_multipart()
        for _ in range(_DRAINED):
            if not socket.poll(_REFILLED_MS):
                break
            parts = socket.recv_multipart()
        try:
            yield received_of(parts)
        except BadMessage as error:
            yield Remark(f"Its sender sends what is not a picture: {error}.", is_waiting=True)
