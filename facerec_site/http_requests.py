"""HTTP requests of Daphne whose bodies reach the application in pieces.

Daphne takes a whole body before the application is asked, and Twisted parses forms in the event
loop. Here a request is handed to the application when its headers are there, and the body piece by
piece as the application takes it (`BodyGate` refuses by the headers). An answer that is given
before the body has come ends the connection, but what the client still sends is read for a while:
it would not see the answer otherwise.
"""

from __future__ import annotations

import asyncio
import io
import json
import time
import uuid
from types import SimpleNamespace
from typing import Any

from daphne.http_protocol import HTTPFactory, WebRequest
from twisted.web.http import HTTPChannel

from facerec_site.errors import ErrorAnswer, error_body, plain_answer, refusal_messages
from recognition.web.boundaries import AsgiDict

# Keep-alive: a balancer in front gives up a connection after 60 s by default. It must be the first
# to do so, or a request of its meets a connection that is closed just now.
_IDLE_S = 75
_LIVENESS = b"/health/live"
_STOPPING = ErrorAnswer(
    503, "stopping", "The server restarts. Try again in a moment.", retry_after_s=5
)
# Of one body, what may wait for the application.
_MOST_WAITING_BYTES = 2**18
# A client that was answered before its body had come may send on for so long.
_SENDS_ON_FOR_S = 30.0


class Body(asyncio.Queue[AsgiDict]):
    """What the application reads of one request. Nothing is read from the client while much of it
    waits."""

    def __init__(self, request: SiteRequest) -> None:
        super().__init__()
        self._request = request
        self._waiting = 0

    async def get(self) -> AsgiDict:
        self._request.ask_for_body()
        return await super().get()

    def _put(self, item: AsgiDict) -> None:
        super()._put(item)
        self._waiting += len(item.get("body", b""))
        if self._waiting >= _MOST_WAITING_BYTES:
            self._request.pause_reading()

    def _get(self) -> AsgiDict:
        item = super()._get()
        was_full = self._waiting >= _MOST_WAITING_BYTES
        self._waiting -= len(item.get("body", b""))
        if was_full and self._waiting < _MOST_WAITING_BYTES:
            self._request.resume_reading()
        return item


class SiteRequest(WebRequest):
    """`is_arriving`: its body has begun to come and is not there yet."""

    is_arriving = False
    _expects_continue = False
    _sends_on: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, parsePOSTFormSubmission=False, **options)

    def gotLength(self, length: int | None) -> None:
        """All headers are there. `length` is None if the body comes in chunks."""
        if length == 0:
            super().gotLength(length)
            return
        self.is_arriving = True
        self.content = io.BytesIO()
        expect = self.requestHeaders.getRawHeaders(b"expect", [b""])[0]
        self._expects_continue = expect.lower() == b"100-continue"
        # Twisted would ask for the body at once, before anybody knows who sends it.
        self.requestHeaders.removeHeader(b"expect")
        channel = self.channel
        super().requestReceived(channel._command, channel._path, channel._version)

    def handleContentChunk(self, data: bytes) -> None:
        if self.application_queue is not None and self._sends_on is None:
            piece = {"type": "http.request", "body": data, "more_body": True}
            self.application_queue.put_nowait(piece)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """All of it is there."""
        if not self.is_arriving:
            super().requestReceived(command, path, version)
            return
        self.resume_reading()
        self.is_arriving = False
        if self._sends_on is not None:
            self._sends_on.cancel()
            super().finish()
        elif self.application_queue is not None:
            self.application_queue.put_nowait({"type": "http.request", "body": b""})

    def process(self) -> Any:
        # A process that drains is alive: a supervisor must not be told otherwise.
        if self.server.is_draining and self.path != _LIVENESS:
            return self.refuse(_STOPPING)
        upgrade = self.requestHeaders.getRawHeaders(b"upgrade", [b""])[0]
        if self.is_arriving and upgrade.lower() == b"websocket":
            return self.basic_error(400, b"", "A websocket begins without a body.")
        return super().process()

    def ask_for_body(self) -> None:
        """The application wants the body: a client that asked first may send it."""
        if self._expects_continue and self.is_arriving and self.channel is not None:
            self.channel.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._expects_continue = False

    def pause_reading(self) -> None:
        if self.is_arriving and self.channel is not None:
            self.channel._networkProducer.pauseProducing()

    def resume_reading(self) -> None:
        if self.is_arriving and self.channel is not None:
            self.channel._networkProducer.resumeProducing()

    def refuse(self, answer: ErrorAnswer) -> None:
        """Answer without asking the application; nothing if it began to answer already."""
        if self._response_started:
            return
        self.request_start = getattr(self, "request_start", time.time())
        path = (self.path or b"/").decode("latin1")
        for message in refusal_messages(answer, path, request_id=uuid.uuid4().hex):
            self.handle_reply(message)

    def basic_error(self, status: int, status_text: bytes, body: str) -> None:
        """Daphne's own errors are pages without an id."""
        self.refuse(plain_answer(status, body))

    def handle_reply(self, message: AsgiDict) -> None:
        starts = message["type"] == "http.response.start"
        is_last = self.server.is_draining or self.is_arriving
        if starts and is_last and self.channel is not None:
            # The client sends its next request on another connection, to another process if this
            # one stops.
            self.responseHeaders.setRawHeaders(b"connection", [b"close"])
            self.channel.persistent = False
        super().handle_reply(message)

    def finish(self) -> None:
        if not self.is_arriving:
            super().finish()
        elif self._sends_on is None:
            if self.application_queue is not None:
                self.send_disconnect()
            self.resume_reading()
            self._sends_on = self.server.loop.call_later(_SENDS_ON_FOR_S, self._cut_off)

    def _cut_off(self) -> None:
        self.is_arriving = False
        super().finish()

    def connectionLost(self, reason: Any) -> None:
        if self._sends_on is not None:
            self._sends_on.cancel()
        super().connectionLost(reason)


class _Channel(HTTPChannel):
    def _respondToBadRequestAndDisconnect(self) -> None:
        """Twisted's own answer to what is no HTTP is a status line alone."""
        if not (self.requests and self.requests[-1].startedWriting):
            caller = SimpleNamespace(request_id=uuid.uuid4().hex)
            body = json.dumps(error_body(plain_answer(400, "This is not HTTP."), caller)).encode()
            head = (
                "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n"
                f"X-Request-Id: {caller.request_id}\r\nContent-Length: {len(body)}\r\n"
                "Connection: close\r\n\r\n"
            )
            transport: Any = self.transport
            transport.write(head.encode() + body)
        self.loseConnection()

    def lineLengthExceeded(self, line: bytes) -> None:
        """Twisted's own closes the connection without a word."""
        self._respondToBadRequestAndDisconnect()


class SiteHttpFactory(HTTPFactory):
    # Twisted's own chooses between HTTP/1.1 and HTTP/2, which `SiteRequest` does not speak.
    protocol = _Channel

    def acceptableProtocols(self) -> list[bytes]:
        return [b"http/1.1"]

    def buildProtocol(self, addr: Any) -> Any:
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = SiteRequest
        protocol.timeOut = _IDLE_S
        return protocol
