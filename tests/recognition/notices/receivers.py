"""A real HTTP server on loopback that receives webhooks and answers as a test tells it."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Received:
    """One request. Header names are in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes
    at_s: float = field(default_factory=time.monotonic)

    @property
    def message(self) -> Any:
        return json.loads(self.body)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


# Answers one request by hand, through the handler's connection.
Behaviour = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        behave = self.server.take(Received(self.path, headers, body))
        self.close_connection = True
        behave(self)

    def do_GET(self) -> None:
        self.server.got.append(self.path)
        answer(200)(self)

    def log_message(self, *args: Any) -> None:
        """Log nothing, so that the output of tests stays clean."""


class Receiver(ThreadingHTTPServer):
    """`behaviours` are used one after the other; then each request is answered 204."""

    daemon_threads = True
    block_on_close = False
    # Connections that wait for a receiver that was stopped.
    request_queue_size = 64

    def __init__(self, *behaviours: Behaviour, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.received: list[Received] = []
        self.got: list[str] = []
        self._behaviours = list(behaviours)
        self._changed = threading.Condition()
        # Set at the end, so that hanging behaviours continue.
        self.is_over = threading.Event()
        self.scheme = "https" if tls else "http"
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"{self.scheme}://localhost:{self.server_port}/hook"

    def will(self, *behaviours: Behaviour) -> None:
        """Set how the next requests are answered."""
        with self._changed:
            self._behaviours = list(behaviours)

    def take(self, request: Received) -> Behaviour:
        with self._changed:
            self.received.append(request)
            self._changed.notify_all()
            return self._behaviours.pop(0) if self._behaviours else answer(204)

    def wait(self, count: int, timeout_s: float = 15.0) -> list[Received]:
        """The requests, as soon as there are `count` of them."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.received) >= count, timeout_s):
                raise AssertionError(f"{len(self.received)} of {count} requests came")
            return list(self.received)

    def handle_error(self, *args: Any) -> None:
        """Ignore clients that were cut off: tests do this on purpose."""

    def close(self) -> None:
        self.is_over.set()
        self.shutdown()
        self.server_close()


def answer(status: int, **headers: str) -> Behaviour:
    def behave(handler: Handler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return behave


def redirect(to: str) -> Behaviour:
    return answer(302, Location=to)


def late(delay_s: float, status: int = 204) -> Behaviour:
    def behave(handler: Handler) -> None:
        handler.server.is_over.wait(delay_s)
        answer(status)(handler)

    return behave


def hang(handler: Handler) -> None:
    """No answer, while the connection stays open."""
    handler.server.is_over.wait(60)


def drip(handler: Handler) -> None:
    """Send a byte of an endless header now and then, so that no single read takes long."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
    while not handler.server.is_over.wait(0.05):
        handler.wfile.write(b"x")
        handler.wfile.flush()


def drop(handler: Handler) -> None:
    """The connection is closed without an answer."""
    handler.connection.shutdown(socket.SHUT_RDWR)


def speak_ssh(handler: Handler) -> None:
    handler.wfile.write(b"SSH-2.0-OpenSSH\r\n")


def closed_port() -> int:
    """A port on loopback on which no program listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]
