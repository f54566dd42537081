"""HTTP requests of Daphne whose bodies reach the application in pieces.

Daphne reads a whole body before it calls the application, and Twisted parses forms in the event
loop. Here the application is called as soon as the headers are there (`BodyGate` decides by them),
and gets the body in pieces as it asks for them. If the application answers before the body has
arrived, the connection is closed after the answer. Until then the rest of the body is read and
dropped, for a limited time: a client that is still sending would not see the answer otherwise.
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

# Keep-alive. A load balancer closes an idle connection after 60 s by default. It must close first:
# otherwise it may send a request on a connection that we are just closing.
_IDLE_S = 75
_LIVENESS = b"/health/live"
_STOPPING = ErrorAnswer(
    503, "stopping", "The server restarts. Try again in a moment.", retry_after_s=5
)
# Most bytes of one body that wait for the application.
_MOST_WAITING_BYTES = 2**18
# A client that was answered before its body arrived may go on sending for this long.
_SENDS_ON_FOR_S = 30.0


class Body(asyncio.Queue[AsgiDict]):
    """The queue that the application reads the body of one request from. While it is full, nothing
    is read from the client."""

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
    """`is_arriving`: the headers are there, and the body is not complete yet."""

    is_arriving = False
    _expects_continue = False
    _sends_on: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, parsePOSTFormSubmission=False, **options)

    def gotLength(self, length: int | None) -> None:
        """Called when all headers are there. `length` is None if the body comes in chunks."""
        if length == 0:
            super().gotLength(length)
            return
        self.is_arriving = True
        self.content = io.BytesIO()
        expect = self.requestHeaders.getRawHeaders(b"expect", [b""])[0]
        self._expects_continue = expect.lower() == b"100-continue"
        # Twisted would ask for the body at once, before the caller is checked.
        self.requestHeaders.removeHeader(b"expect")
        channel = self.channel
        super().requestReceived(channel._command, channel._path, channel._version)

    def handleContentChunk(self, data: bytes) -> None:
        if self.application_queue is not None and self._sends_on is None:
            piece = {"type": "http.request", "body": data, "more_body": True}
            self.application_queue.put_nowait(piece)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """Called when the whole request is there."""
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
        # A process that drains is still alive, and must say so to its supervisor.
        if self.server.is_draining and self.path != _LIVENESS:
            return self.refuse(_STOPPING)
        upgrade = self.requestHeaders.getRawHeaders(b"upgrade", [b""])[0]
        if self.is_arriving and upgrade.lower() == b"websocket":
            return self.basic_error(400, b"", "A websocket begins without a body.")
        return super().process()

    def ask_for_body(self) -> None:
        """The application wants the body: send `100 Continue` to a client that waits for it."""
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
        """Answer without the application. Does nothing if the application has begun to answer."""
        if self._response_started:
            return
        self.request_start = getattr(self, "request_start", time.time())
        path = (self.path or b"/").decode("latin1")
        for message in refusal_messages(answer, path, request_id=uuid.uuid4().hex):
            self.handle_reply(message)

    def basic_error(self, status: int, status_text: bytes, body: str) -> None:
        """Replaces Daphne's error pages, which have no request id."""
        self.refuse(plain_answer(status, body))

    def handle_reply(self, message: AsgiDict) -> None:
        starts = message["type"] == "http.response.start"
        is_last = self.server.is_draining or self.is_arriving
        if starts and is_last and self.channel is not None:
            # The client must open a new connection for its next request. If this process stops, the
            # new connection goes to another process.
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
        """Answer with a JSON error. Twisted would send only a status line."""
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
        """Answer with an error. Twisted would close the connection without one."""
        self._respondToBadRequestAndDisconnect()


class SiteHttpFactory(HTTPFactory):
    # Twisted's default also accepts HTTP/2, which `SiteRequest` does not support.
    protocol = _Channel

    def acceptableProtocols(self) -> list[bytes]:
        return [b"http/1.1"]

    def buildProtocol(self, addr: Any) -> Any:
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = SiteRequest
        protocol.timeOut = _IDLE_S
        return protocol
