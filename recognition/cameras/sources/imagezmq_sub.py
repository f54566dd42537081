"""ImageZMQ, publish/subscribe: the sender listens, and we connect to it."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from urllib.parse import urlsplit

import zmq

from recognition.cameras.models import Camera
from recognition.cameras.sources.addresses import (
    AddressRefused,
    allowed_addresses,
    refuse_literal,
)
from recognition.cameras.sources.base import Picture, Remark, SourceFailed
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
        """An address of the form tcp://host:port, which may not be of this machine."""
        try:
            refuse_literal(_host_and_port(camera.address)[0])
        except ValueError as error:
            message = "Name the sender as tcp://host:port."
            raise ServiceError("bad_address", message, status=400) from error
        except AddressRefused as error:
            raise ServiceError("bad_address", str(error), status=400) from error

    def frames(
        self, camera: Camera, stopped: threading.Event
    ) -> Generator[Picture | Remark, None, None]:
        address = _endpoint(camera.address)
        with zmq.Context() as context, context.socket(zmq.SUB) as socket:
            socket.set(zmq.LINGER, 0)
            socket.set(zmq.RCVHWM, _WAITING)
            socket.set(zmq.MAXMSGSIZE, LARGEST_PART)
            socket.set(zmq.IPV6, 1)
            socket.subscribe(b"")
            socket.connect(address)
            yield from played(_received(socket, stopped), f"Waiting for {camera.address}.")


def _host_and_port(address: str) -> tuple[str, int]:
    """ValueError if it is not tcp://host:port."""
    parts = urlsplit(address)
    host, port = parts.hostname, parts.port
    if not host or not port or host == "*" or address != f"tcp://{parts.netloc}" or "@" in address:
        raise ValueError(address)
    return host, port


def _endpoint(address: str) -> str:
    """What to connect to: an address of the host that was checked. SourceFailed."""
    try:
        host, port = _host_and_port(address)
        found = allowed_addresses(host, port)[0]
    except (ValueError, AddressRefused) as error:
        raise SourceFailed(str(error), is_lasting=True) from error
    except OSError as error:
        raise SourceFailed("There is no address of its host.") from error
    return f"tcp://[{found}]:{port}" if ":" in found else f"tcp://{found}:{port}"


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
