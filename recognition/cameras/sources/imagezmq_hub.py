"""The hub of ImageZMQ's request/reply: one socket for all senders of this machine.

A sender waits for the answer to each of its frames, without an end in `imagezmq` itself. So each
frame is answered when it is received, before recognition; the socket stays open while the engine
and cameras come and go; and it is closed at a moment when every sender waits for its answer.

It is a ROUTER and not a REP socket: a REP socket must answer one message before it receives the
next, and a message that cannot be answered stops it for everybody.
"""

from __future__ import annotations

import json
import logging
import math
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import zmq
from django.conf import settings

from recognition.cameras.sources.base import Remark
from recognition.cameras.sources.imagezmq_message import (
    LARGEST_PART,
    BadMessage,
    Received,
    received_of,
)
from recognition.web.process import Part

logger = logging.getLogger(__name__)

_POLL_MS = 100
# A sender has one frame under way; more are of one that does not wait for answers.
_WAITING = 2
_MOST_STRANGERS = 50
# Before it closes, the hub holds its answers back for so long: a sender that waits sends nothing
# that could be lost.
_HOLD_S = 1.0
_LINGER_MS = 1000
# A peer that was switched off is noticed after a minute and a half.
_OPTIONS = {
    zmq.MAXMSGSIZE: LARGEST_PART,
    zmq.RCVHWM: _WAITING,
    zmq.TCP_KEEPALIVE: 1,
    zmq.TCP_KEEPALIVE_IDLE: 60,
    zmq.TCP_KEEPALIVE_INTVL: 10,
    zmq.TCP_KEEPALIVE_CNT: 3,
}
_OK = b"OK"
_NOT_OPEN = "This process does not listen: another one does, or no such camera is saved yet."


class Inbox:
    """What came last from one sender, and what it is answered. Thread-safe."""

    def __init__(self, *, is_answered: bool) -> None:
        self._is_answered = is_answered
        self._come = threading.Condition()
        self._picture: Received | None = None
        self._other: Received | Remark | None = None
        self._answer: tuple[Mapping[str, object], float] | None = None

    def put(self, received: Received | Remark) -> None:
        """It replaces what was not taken: a picture a picture, a text a text."""
        with self._come:
            if isinstance(received, Received) and received.picture is not None:
                self._picture = received
            else:
                self._other = received
            self._come.notify()

    def take(self, timeout_s: float) -> Received | Remark | None:
        """None if nothing came in time."""
        with self._come:
            self._come.wait_for(lambda: self._other or self._picture, timeout_s)
            if self._other is not None:
                other, self._other = self._other, None
                return other
            picture, self._picture = self._picture, None
            return picture

    def answer(self, message: Mapping[str, object]) -> None:
        self._answer = (message, time.monotonic())

    def reply(self) -> bytes:
        """To a frame that has just come: `OK`, or the newest answer as JSON with its age."""
        if not self._is_answered:
            return _OK
        if (newest := self._answer) is None:
            message: Mapping[str, object] = {"type": "status", "state": "waiting", "message": ""}
            return json.dumps(message).encode()
        message, at_s = newest
        return json.dumps({**message, "age_ms": round((time.monotonic() - at_s) * 1000)}).encode()


class ImageZmqHub(Part):
    """`open` and `close` are for one thread. Not closed by `stop`: the thread that opened it does,
    after the last camera."""

    def __init__(self) -> None:
        self.address = settings.IMAGEZMQ_BIND
        self.problem = _NOT_OPEN
        # By sender: that of its camera, and of those who test it just now.
        self._inboxes: dict[str, list[Inbox]] = {}
        self._strangers: dict[str, int] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            return
        context = zmq.Context()
        socket = context.socket(zmq.ROUTER)
        for option, value in _OPTIONS.items():
            socket.set(option, value)
        # Otherwise an IPv4 address is told as an IPv6 one.
        socket.set(zmq.IPV6, int(any(host in settings.IMAGEZMQ_BIND for host in ("//*", "//["))))
        try:
            socket.bind(settings.IMAGEZMQ_BIND)
        except zmq.ZMQError as error:
            context.destroy(linger=0)
            self._tell(f"IMAGEZMQ_BIND={settings.IMAGEZMQ_BIND}: {error.strerror}.")
            return
        self.address = socket.get_string(zmq.LAST_ENDPOINT)
        self._tell("")
        self._closing.clear()
        self._thread = threading.Thread(
            target=self._run, args=(context, socket), name="imagezmq-hub", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        if self._thread is not None:
            self._thread.join(_HOLD_S + 2 * _LINGER_MS / 1000)
            self._thread = None
        self.problem = _NOT_OPEN

    def strangers(self) -> dict[str, int]:
        with self._lock:
            return dict(self._strangers)

    @contextmanager
    def inbox(self, name: str, *, is_answered: bool) -> Iterator[Inbox]:
        """Of the sender of this name, as long as its camera is played. is_answered: by what was
        recognised."""
        inbox = Inbox(is_answered=is_answered)
        with self._lock:
            self._inboxes.setdefault(name, []).append(inbox)
            self._strangers.pop(name, None)
        try:
            yield inbox
        finally:
            with self._lock:
                self._inboxes[name].remove(inbox)
                if not self._inboxes[name]:
                    del self._inboxes[name]

    def answer(self, name: str, message: Mapping[str, object]) -> None:
        """What was recognised in a frame of this sender."""
        for inbox in self._of(name):
            inbox.answer(message)

    def _of(self, name: str) -> list[Inbox]:
        with self._lock:
            return list(self._inboxes.get(name, ()))

    def _tell(self, problem: str) -> None:
        if problem and problem != self.problem:
            logger.warning("the ImageZMQ hub cannot listen: %s", problem)
        elif not problem:
            logger.info("the ImageZMQ hub listens at %s", self.address)
        self.problem = problem

    def _run(self, context: zmq.Context[zmq.Socket[bytes]], socket: zmq.Socket[bytes]) -> None:
        try:
            while not self._closing.is_set():
                if socket.poll(_POLL_MS):
                    self._send(socket, *self._receive(socket))
            self._close(socket)
        except Exception:
            logger.exception("the ImageZMQ hub failed, and is opened again")
        finally:
            context.destroy(linger=_LINGER_MS)

    def _close(self, socket: zmq.Socket[bytes]) -> None:
        until_s = time.monotonic() + _HOLD_S
        held: dict[bytes, bytes | None] = {}
        while (left_s := until_s - time.monotonic()) > 0:
            if socket.poll(math.ceil(left_s * 1000)):
                sender, reply = self._receive(socket)
                held[sender] = reply
        for sender, reply in held.items():
            self._send(socket, sender, reply)

    def _receive(self, socket: zmq.Socket[bytes]) -> tuple[bytes, bytes | None]:
        """A sender, and what to answer; None if it does not wait for an answer."""
        sender, *parts = socket.recv_multipart()
        # What a request begins with.
        if not parts or parts[0] != b"":
            return sender, None
        return sender, self._reply(parts[1:])

    def _send(self, socket: zmq.Socket[bytes], sender: bytes, reply: bytes | None) -> None:
        if reply is not None:
            # It never waits: what a sender does not read is dropped.
            socket.send_multipart([sender, b"", reply])

    def _reply(self, parts: Sequence[bytes]) -> bytes:
        """Pass the message to its camera, and answer it. Nothing that a sender says may raise."""
        try:
            received = received_of(parts)
        except BadMessage as error:
            for inbox in self._of(error.name):
                told = f"Its sender sends what is not a picture: {error}."
                inbox.put(Remark(told, is_waiting=True))
            return f"ERROR {error}".encode()
        except Exception:
            logger.exception("a message to the ImageZMQ hub could not be read")
            return b"ERROR"
        inboxes = self._of(received.name)
        if not inboxes:
            with self._lock:
                self._note_stranger(received)
            return _OK
        for inbox in inboxes:
            inbox.put(received)
        return inboxes[0].reply()

    def _note_stranger(self, received: Received) -> None:
        """Its text may be for its cameras: imagenode names a camera "node view", and its own texts
        are of the node."""
        if received.picture is None:
            for name, inboxes in self._inboxes.items():
                for inbox in inboxes if name.startswith(f"{received.name} ") else ():
                    inbox.put(received)
        elif received.name in self._strangers or len(self._strangers) < _MOST_STRANGERS:
            if received.name not in self._strangers:
                logger.warning("the ImageZMQ hub has no camera for the sender %r", received.name)
            self._strangers[received.name] = self._strangers.get(received.name, 0) + 1
