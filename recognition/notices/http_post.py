"""One POST to a checked address, with a hard time limit and without redirects."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.client import HTTPException
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from recognition.notices.addresses import UrlRefused, WebhookUrl, allowed_addresses, checked_url
from recognition.notices.sinks.base import NotSent, Outcome
from recognition.web.addresses import connected, time_left

_GONE = 410


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    limit_s: float,
    may_send: Callable[[], bool] = lambda: True,
) -> Outcome:
    """Send `body`; a status of 2xx is a success. Errors are returned as an Outcome; after `limit_s`
    the attempt has timed out (the resolver has its own limits). `may_send` is called when the
    connection is open, right before the request is written; NotSent if it returns False."""
    began_s = time.monotonic()
    try:
        outcome = _post(checked_url(url), body, headers, began_s + limit_s, may_send)
    except UrlRefused as refused:
        outcome = Outcome(refused.code, refused.message)
    except TimeoutError:
        outcome = Outcome("timed_out", f"There was no answer in {limit_s:g} seconds.")
    except ssl.SSLError as error:
        outcome = Outcome("tls_failed", f"No secure connection: {error.reason or error}"[:200])
    except (OSError, HTTPException, HTTPError) as error:
        outcome = Outcome("connection_failed", str(error)[:200] or type(error).__name__)
    return replace(outcome, duration_ms=round((time.monotonic() - began_s) * 1000))


def _post(
    url: WebhookUrl,
    body: bytes,
    headers: Mapping[str, str],
    deadline_s: float,
    may_send: Callable[[], bool],
) -> Outcome:
    link = connected(allowed_addresses(url), url.port, deadline_s)
    with link, _cut_at(deadline_s, link):
        connection = _connection(url, link, time_left(deadline_s))
        try:
            connection.connect()
            if not may_send():
                raise NotSent
            connection.request("POST", url.path, body=body, headers=headers, preload_content=False)
            return _judged(connection.getresponse().status)
        finally:
            connection.close()


def _judged(status: int) -> Outcome:
    if 200 <= status < 300:
        return Outcome(status=status)
    if 300 <= status < 400:
        return Outcome("redirected", "The receiver redirects; redirects are not followed.", status)
    message = f"The receiver answered {status}."
    off_reason = "The receiver answered that it wants no more messages." if status == _GONE else ""
    return Outcome("http_status", message, status, off_reason=off_reason)


@contextmanager
def _cut_at(deadline_s: float, link: socket.socket) -> Iterator[None]:
    """Cut the connection at the deadline. A socket's own limit counts for each read, so a receiver
    that sends a byte now and then would never reach it. TimeoutError if the connection was cut,
    even if the answer up to then can be parsed."""
    was_cut = threading.Event()
    # TLS takes over the descriptor of `link`; the copy refers to the same connection.
    copy = link.dup()

    def cut() -> None:
        was_cut.set()
        with suppress(OSError):
            copy.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(time_left(deadline_s), cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, HTTPException, HTTPError):
        if not was_cut.is_set():
            raise
    finally:
        timer.cancel()
        copy.close()
    if was_cut.is_set():
        raise TimeoutError


class _Http(HTTPConnection):
    """HTTP over a connection that is already open."""

    def __init__(self, link: socket.socket, **options: Any) -> None:
        super().__init__(**options)
        self._link = link

    def _new_conn(self) -> socket.socket:
        return self._link


class _Https(HTTPSConnection):
    """The same with TLS; the certificate must match the host name in the URL."""

    def __init__(self, link: socket.socket, **options: Any) -> None:
        super().__init__(**options, ssl_context=ssl.create_default_context())
        self._link = link

    def _new_conn(self) -> socket.socket:
        return self._link


def _connection(url: WebhookUrl, link: socket.socket, timeout_s: float) -> _Http | _Https:
    link.settimeout(timeout_s)
    kind = _Https if url.scheme == "https" else _Http
    return kind(link, host=url.host, port=url.port, timeout=timeout_s)
