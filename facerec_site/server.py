"""Daphne, with what a long-running site needs beside it: bodies that have an end, waiting for slow
readers, close codes of every kind, and an end in order.

Daphne takes a body of any size into memory before anybody is asked who sends it, cancels everything
at once when it is told to stop, takes no notice of how much a client has not read yet, and knows
only part of the close codes.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import uuid
from typing import Any

from daphne.http_protocol import HTTPFactory, WebRequest
from daphne.server import Server, twisted_loop
from daphne.ws_protocol import WebSocketProtocol
from django.conf import settings
from twisted.internet import defer
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from facerec_site.errors import ErrorAnswer, error_body

logger = logging.getLogger(__name__)

# A client that reads nothing for so long is gone.
_READS_WITHIN_S = 20.0
_POLL_S = 0.05
# "Service restart": a browser comes back by itself.
RESTART = 1012
_LONGEST_REASON = 123
# Above what views allow, so that they are the ones to refuse what is a little too large.
_SLACK_BYTES = 2**20


class _Request(WebRequest):
    """Keeps no more of a body than a view may be given. The rest is read all the same, and let go
    of: a client that is still sending would not see the answer."""

    _is_too_large = False

    def handleContentChunk(self, data: bytes) -> None:
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE + _SLACK_BYTES
        if self._is_too_large or self.content.tell() + len(data) > limit:
            self._is_too_large = True
            self.content.truncate(0)
            return
        super().handleContentChunk(data)

    def process(self) -> Any:
        if not self._is_too_large:
            return super().process()
        self.request_start = time.time()
        # Also what `error_body` reads: this answer has an id like every other one.
        self.request_id = uuid.uuid4().hex
        limit_mb = settings.DATA_UPLOAD_MAX_MEMORY_SIZE // 2**20
        message = f"A request may have {limit_mb} MB at most."
        answer = ErrorAnswer(413, "request_too_large", message, {"max_mb": limit_mb})
        body = json.dumps(error_body(answer, self)).encode()
        headers = [
            (b"Content-Type", b"application/json"),
            (b"X-Request-Id", self.request_id.encode()),
        ]
        self.handle_reply({"type": "http.response.start", "status": 413, "headers": headers})
        self.handle_reply({"type": "http.response.body", "body": body})
        return None


class _Factory(HTTPFactory):
    def buildProtocol(self, addr: Any) -> Any:
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = _Request
        return protocol


@implementer(IPushProducer)
class _Line:
    """One websocket's way out: full while the client has not read what was sent. Nothing is read
    from the client meanwhile, so that no answers are added."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._is_clear = asyncio.Event()
        self._is_clear.set()
        # The connection began as HTTP, whose producer is still registered.
        transport.unregisterProducer()
        transport.registerProducer(self, True)  # noqa: FBT003

    def pauseProducing(self) -> None:
        self._is_clear.clear()
        self._transport.pauseProducing()

    def resumeProducing(self) -> None:
        self._is_clear.set()
        self._transport.resumeProducing()

    def stopProducing(self) -> None:
        self._is_clear.set()

    async def clear(self, timeout_s: float) -> bool:
        """Wait until there is room; False where the client reads nothing."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._is_clear.wait()
        except TimeoutError:
            return False
        return True


class SiteServer(Server):
    """`failure` says why it could not listen; `ports` are where it does."""

    def __init__(self, application: Any, **options: Any) -> None:
        super().__init__(application, signal_handlers=False, **options)
        self.failure: str | None = None
        self.ports: list[Any] = []
        self._lines: dict[WebSocketProtocol, _Line] = {}

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return twisted_loop

    @property
    def http_factory(self) -> HTTPFactory:
        return self._http_factory

    @http_factory.setter
    def http_factory(self, made: HTTPFactory) -> None:
        # Daphne makes its own when it runs, and leaves no other place to name another.
        self._http_factory = _Factory(made.server)

    def listen_success(self, port: Any) -> None:
        self.ports.append(port)
        super().listen_success(port)

    def listen_error(self, failure: Any) -> None:
        self.failure = failure.getErrorMessage()
        self.stop()

    def protocol_connected(self, protocol: Any) -> None:
        super().protocol_connected(protocol)
        if isinstance(protocol, WebSocketProtocol):
            self._lines[protocol] = _Line(protocol.transport)

    def protocol_disconnected(self, protocol: Any) -> None:
        super().protocol_disconnected(protocol)
        if line := self._lines.pop(protocol, None):
            line.stopProducing()

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        if message["type"] == "websocket.close" and protocol.state == protocol.STATE_OPEN:
            _close(protocol, message.get("code") or 1000, message.get("reason") or "")
            return
        await super().handle_reply(protocol, message)
        line = self._lines.get(protocol)
        if line is not None and not await line.clear(_READS_WITHIN_S):
            protocol.dropConnection(abort=True)

    async def drain(self, timeout_s: float) -> None:
        """Take no new connections, send websockets away, and let requests that run finish."""
        for port in self.ports:
            await defer.maybeDeferred(port.stopListening).asFuture(self.loop)
        for protocol in list(self.connections):
            if isinstance(protocol, WebSocketProtocol) and protocol.state == protocol.STATE_OPEN:
                _close(protocol, RESTART, "The server restarts.")
        deadline = time.monotonic() + timeout_s
        while self._running() and time.monotonic() < deadline:
            await asyncio.sleep(_POLL_S)
        if left := self._running():
            logger.warning("%d requests did not finish in time", left)

    def kill_all_applications(self) -> defer.Deferred:
        # Connections without an application make the original fail.
        for details in list(self.connections.values()):
            if (instance := details.get("application_instance")) is not None:
                instance.cancel()
        return defer.succeed(None)

    def _running(self) -> int:
        instances = [d.get("application_instance") for d in self.connections.values()]
        return sum(instance is not None and not instance.done() for instance in instances)


def _close(protocol: WebSocketProtocol, code: int, reason: str) -> None:
    protocol.sendCloseFrame(code=code, reasonUtf8=reason.encode()[:_LONGEST_REASON])
