"""Daphne, extended for a long-running site: bodies in pieces (`http_requests.py`), waiting for slow
readers, all close codes, and an orderly stop.

Daphne alone cancels everything at once when it is told to stop, keeps sending to a client that does
not read, and supports only some close codes.

Stopping has two steps: `drain` lets running requests finish and refuses new ones, on open and new
connections. Then `hang_up` closes every connection, after all requests are answered.
"""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial
from typing import Any, TypeVar

from autobahn.twisted.websocket import ConnectionDeny
from daphne.http_protocol import HTTPFactory
from daphne.server import Server, twisted_loop
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from twisted.internet import defer, tcp
from twisted.internet import reactor as made_reactor
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from facerec_site.errors import ErrorAnswer
from facerec_site.http_requests import Body, SiteHttpFactory, SiteRequest
from facerec_site.listener import begin_no_connections

logger = logging.getLogger(__name__)
# Any, because the type of Twisted's reactor does not declare its methods.
reactor: Any = made_reactor

P = TypeVar("P")

# A client that reads nothing for this long counts as gone.
_READS_WITHIN_S = 20.0
_POLL_S = 0.05
# A websocket whose handshake takes longer is refused with 503. The handshake waits for the
# database, whose own time limits are shorter than this one.
HANDSHAKE_S = 30
# Time for a busy client to answer a close frame. Autobahn's default is 1 s and then cuts the
# connection: the client may not even have read yet that the socket was opened.
_GOODBYE_WITHIN_S = 10
# Time limits while stopping. For requests that have begun to arrive, and for sockets to close:
_SETTLED_WITHIN_S = 3.0
# For TCP connections that have begun to be established:
_HANDSHAKES_WITHIN_S = 0.2
# For the connections accepted last to send their request:
_LINGER_S = 0.3
# For answers to reach their clients:
_FLUSHED_WITHIN_S = 2.0
_MOST_ACCEPTED = 10_000
# Close code "service restart": our pages connect again by themselves.
RESTART = 1012
# The same close code that the live socket uses.
_TOO_LARGE = 4413
_RESTARTS = "The server restarts."
_LONGEST_REASON = 123
_UNFINISHED = ErrorAnswer(
    503, "stopping", "The server restarts and could not finish this in time.", retry_after_s=5
)


class _Socket(WebSocketProtocol):
    def _max_message_size_exceeded(self, *sizes_and_reason: object) -> None:
        """The size is known from the message's header, so nothing of the message is kept."""
        if self.state == self.STATE_OPEN:
            self.failedByMe = True
            _close(self, _TOO_LARGE, "The message is far too large.")

    def check_timeouts(self) -> None:
        """Answer 503 if the handshake takes too long. Daphne would say "Access denied"."""
        is_waiting = self.state == self.STATE_CONNECTING and hasattr(self, "handshake_deferred")
        if is_waiting and self.duration() > HANDSHAKE_S:
            deny = ConnectionDeny(code=503, reason="The server is busy")
            self.handshake_deferred.errback(deny)
            del self.handshake_deferred
            self.server.protocol_disconnected(self)
        elif not is_waiting:
            super().check_timeouts()


@implementer(IPushProducer)
class _Line:
    """The output of one websocket. While the client does not read what was sent, the line is full,
    and nothing is read from the client, so that no more answers are added."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._is_clear = asyncio.Event()
        self._is_clear.set()
        # The connection began as HTTP, and the producer of HTTP is still registered.
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
        """Wait until there is room; False if the client reads nothing within `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._is_clear.wait()
        except TimeoutError:
            return False
        return True


class SiteServer(Server):
    """`failure` says why the server could not listen; `ports` are the ports it listens on."""

    def __init__(self, application: Any, **options: Any) -> None:
        super().__init__(
            application,
            signal_handlers=False,
            # After this time Autobahn drops the connection without an answer. It is longer than
            # our own limit, so that ours comes first.
            websocket_handshake_timeout=2 * HANDSHAKE_S,
            **options,
        )
        self.is_draining = False
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
        # Daphne sets its own factory in `run` and has no option for another one.
        self._http_factory = SiteHttpFactory(made.server)

    @property
    def ws_factory(self) -> WebSocketFactory:
        return self._ws_factory

    @ws_factory.setter
    def ws_factory(self, made: WebSocketFactory) -> None:
        made.protocol = _Socket
        # failByDrop=False: answer invalid websocket data with a close code.
        made.setProtocolOptions(closeHandshakeTimeout=_GOODBYE_WITHIN_S, failByDrop=False)
        self._ws_factory = made

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        if not isinstance(protocol, SiteRequest):
            return super().create_application(protocol, scope)
        body = Body(protocol)
        if protocol.is_arriving:
            # Daphne would pass on the part of the body that is there as if it were the whole body.
            protocol.content.close()
        scope["asgi"] = {"version": "3.0"}
        answered = self.application(scope, body.get, partial(self.handle_reply, protocol))
        self.connections[protocol]["application_instance"] = self.loop.create_task(answered)
        return body

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
        if message["type"] == "websocket.send" and protocol.state != protocol.STATE_OPEN:
            return  # the client is leaving and hears nothing more
        await super().handle_reply(protocol, message)
        if message["type"] == "websocket.accept" and self.is_draining:
            # The handshake began before the process was told to stop.
            _close(protocol, RESTART, _RESTARTS)
        line = self._lines.get(protocol)
        if line is not None and not await line.clear(_READS_WITHIN_S):
            protocol.dropConnection(abort=True)

    async def drain(self, timeout_s: float) -> None:
        """Close websockets and let running requests finish; new requests are answered 503."""
        self.is_draining = True
        for protocol in list(self.connections):
            if isinstance(protocol, WebSocketProtocol) and protocol.state == protocol.STATE_OPEN:
                _close(protocol, RESTART, _RESTARTS)
        started = time.monotonic()
        while (waited_s := time.monotonic() - started) < timeout_s:
            is_settled = waited_s >= _SETTLED_WITHIN_S or not self._unsettled()
            if is_settled and all(request.is_arriving for request in self._running()):
                break
            await asyncio.sleep(_POLL_S)
        left = self._running()
        if left:
            logger.warning("%d requests did not finish in time", len(left))
        for request in left:
            request.refuse(_UNFINISHED)

    async def hang_up(self) -> None:
        """After `drain`: accept no more connections, and close the open ones when all answers are
        sent."""
        for port in self.ports:
            begin_no_connections(port.socket)
        await asyncio.sleep(_HANDSHAKES_WITHIN_S)
        for port in self.ports:
            # Closing the port cuts connections that the system has accepted and we have not. So
            # accept all of them in the same turn of the event loop that closes the port.
            port.numberAccepts = _MOST_ACCEPTED
            reactor.callLater(0, port.doRead)
            await defer.maybeDeferred(port.stopListening).asFuture(self.loop)
        # The connections accepted last still send a request, and get an answer.
        await asyncio.sleep(_LINGER_S)
        for transport in _open_transports():
            transport.loseConnection()
        deadline = time.monotonic() + _FLUSHED_WITHIN_S
        while _open_transports() and time.monotonic() < deadline:
            await asyncio.sleep(_POLL_S)

    def kill_all_applications(self) -> defer.Deferred:
        # Daphne's own method fails for a connection without an application.
        for details in list(self.connections.values()):
            if (instance := details.get("application_instance")) is not None:
                instance.cancel()
        return defer.succeed(None)

    def _running(self) -> list[SiteRequest]:
        """Requests that the application works on, including those whose client has left."""
        return [p for p, details in self._all(SiteRequest) if _is_at_work(details)]

    def _unsettled(self) -> bool:
        """True if a request has not arrived completely, or a websocket is still open."""
        is_arriving = any(
            request.is_arriving or not {"application_instance", "disconnected"} & details.keys()
            for request, details in self._all(SiteRequest)
        )
        return is_arriving or any(_is_at_work(d) for _, d in self._all(WebSocketProtocol))

    def _all(self, kind: type[P]) -> list[tuple[P, dict[str, Any]]]:
        return [(p, details) for p, details in self.connections.items() if isinstance(p, kind)]


def _is_at_work(details: dict[str, Any]) -> bool:
    instance = details.get("application_instance")
    return instance is not None and not instance.done()


def _open_transports() -> list[tcp.Server]:
    """Connections of clients."""
    selectables = {*reactor.getReaders(), *reactor.getWriters()}
    return [transport for transport in selectables if isinstance(transport, tcp.Server)]


def _close(protocol: WebSocketProtocol, code: int, reason: str) -> None:
    protocol.sendCloseFrame(code=code, reasonUtf8=reason.encode()[:_LONGEST_REASON])
