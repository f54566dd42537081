"""Requests from Twisted: bodies in pieces, early answers, and errors in the usual shape."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.testing import StringTransport
from twisted.web import http

from facerec_site.http_requests import SiteHttpFactory
from facerec_site.server import SiteServer

HEAD = b"POST /api/v1/detect HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n%s\r\n"


class Connection:
    """A client's connection to a server that runs `application`."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.wants_body = True
        self.server = SiteServer(self._application, endpoints=["tcp:0"])
        self.server.connections = {}
        self.transport = StringTransport()
        self.protocol = SiteHttpFactory(self.server).buildProtocol(None)
        self.protocol.makeConnection(self.transport)

    def sends(self, data: bytes) -> None:
        self.protocol.dataReceived(data)
        self.turn()

    def turn(self) -> None:
        """Let the application run as far as it can."""
        self.server.loop.run_until_complete(asyncio.sleep(0.01))

    @property
    def received(self) -> bytes:
        return self.transport.value()

    async def _application(self, scope: Any, receive: Any, send: Any) -> None:
        while self.wants_body:
            self.seen.append(await receive())
            if not self.seen[-1].get("more_body"):
                break
        headers = [(b"Content-Length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def connection() -> Iterator[Connection]:
    made = Connection()
    yield made
    made.protocol.connectionLost(None)
    made.turn()


def test_body_reaches_the_application_in_pieces(connection: Connection) -> None:
    connection.sends(HEAD % (6, b""))
    for piece in (b"ab", b"cd", b"ef"):
        connection.sends(piece)
        assert piece in [message["body"] for message in connection.seen]
    assert connection.received.endswith(b"ok")
    assert not connection.transport.disconnecting, "the connection goes on"


def test_nothing_is_read_while_the_application_takes_nothing(connection: Connection) -> None:
    connection.protocol.dataReceived(HEAD % (2**21, b""))
    for _ in range(4):
        assert connection.transport.producerState == "producing"
        connection.protocol.dataReceived(bytes(2**16))
    assert connection.transport.producerState == "paused"
    connection.turn()
    assert connection.transport.producerState == "producing"
    assert sum(len(message["body"]) for message in connection.seen) == 2**18


def test_form_is_not_parsed_by_twisted(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parsed(*arguments: object) -> None:
        pytest.fail("parsed in the event loop")

    monkeypatch.setattr(http, "_getMultiPartArgs", parsed)
    monkeypatch.setattr(http, "parse_qs", parsed)
    for kind in (b"multipart/form-data; boundary=X", b"application/x-www-form-urlencoded"):
        connection.sends(HEAD % (5, b"Content-Type: %s\r\n" % kind) + b"--X--")
    assert connection.received.count(b"200 OK") == 2


def test_early_answer_is_sent_while_the_body_comes_and_ends_the_connection(
    connection: Connection,
) -> None:
    connection.wants_body = False
    connection.sends(HEAD % (2**20, b""))
    assert connection.received.endswith(b"ok")
    assert b"Connection: close" in connection.received
    for _ in range(15):
        connection.sends(bytes(2**16))
        assert connection.transport.producerState == "producing"
        assert not connection.transport.disconnecting, "the client could not read the answer"
    connection.sends(bytes(2**16))
    assert connection.transport.disconnecting
    assert connection.seen == []


def test_body_is_asked_for_when_the_application_wants_it(connection: Connection) -> None:
    connection.sends(HEAD % (2, b"Expect: 100-continue\r\n"))
    assert connection.received == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.sends(b"ab")
    assert connection.received.endswith(b"ok")


def test_body_is_not_asked_for_if_it_is_refused(connection: Connection) -> None:
    connection.wants_body = False
    connection.sends(HEAD % (2, b"Expect: 100-continue\r\n"))
    assert connection.received.startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + bytes(20_000) + b"\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST / HTTP/1.1\r\nUpgrade: websocket\r\nContent-Length: 9\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused_in_the_one_shape(
    connection: Connection, sent: bytes
) -> None:
    connection.sends(sent.replace(b" / ", b" /api/ ").replace(b" /\xff", b" /api/\xff"))
    head, _, body = connection.received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    told = json.loads(body)
    assert told["error"]["code"] == "bad_request"
    assert f"X-Request-Id: {told['request_id']}".encode() in head
