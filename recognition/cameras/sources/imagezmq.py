"""ImageZMQ, request/reply: the cameras are the senders of this machine's hub, by their names."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Mapping

from recognition.cameras.models import Camera
from recognition.cameras.sources.base import Picture, Remark
from recognition.cameras.sources.imagezmq_hub import ImageZmqHub, Inbox
from recognition.cameras.sources.imagezmq_message import Received, played
from recognition.web.errors import ServiceError
from recognition.web.process import process

_TICK_S = 0.5


class ImageZmq:
    def check(self, camera: Camera) -> None:
        """A name that no other camera of this machine's hub has."""
        name = camera.address
        if not name.strip() or name != name.strip() or "|" in name or not name.isprintable():
            message = "Name the sender: what it sends before the first |."
            raise ServiceError("bad_address", message, status=400)
        same = Camera.objects.filter(kind=camera.kind, node=camera.node, address=name)
        if same.exclude(pk=camera.pk).exists():
            message = "There is a camera with this sender already."
            raise ServiceError("address_taken", message, status=409)

    def frames(
        self, camera: Camera, stopped: threading.Event
    ) -> Generator[Picture | Remark, None, None]:
        hub = process().part(ImageZmqHub)
        with hub.inbox(camera.address, is_answered=camera.answers == Camera.Answers.JSON) as inbox:
            incoming = _received(hub, inbox, stopped)
            yield from played(incoming, f"Waiting for {camera.address} at {hub.address}.")

    def answer(self, camera: Camera, message: Mapping[str, object]) -> None:
        process().part(ImageZmqHub).answer(camera.address, message)


def _received(
    hub: ImageZmqHub, inbox: Inbox, stopped: threading.Event
) -> Iterator[Received | Remark | None]:
    while not stopped.is_set():
        received = inbox.take(_TICK_S)
        if received is None and hub.problem:
            yield Remark(hub.problem, is_waiting=True)
        else:
            yield received
