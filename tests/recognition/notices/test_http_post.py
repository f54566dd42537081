"""One POST to a real server that answers, refuses, hangs and lies."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recognition.notices import http_post
from recognition.notices.http_post import post
from recognition.notices.sinks.base import NotSent, Outcome
from tests.certificates import self_signed
from tests.recognition.notices.receivers import (
    Behaviour,
    Receiver,
    answer,
    closed_port,
    drip,
    drop,
    hang,
    late,
    redirect,
    speak_ssh,
)

LIMIT_S = 0.6


def send(url: str, **options: Any) -> Outcome:
    return post(url, b'{"a": 1}', {"X-Name": "value"}, **{"limit_s": LIMIT_S} | options)


def test_post_sends_body_headers_and_host(receiver: Receiver) -> None:
    outcome = send(f"{receiver.url}?a=b")
    (request,) = receiver.received
    assert outcome.is_success
    assert outcome.status == 204
    assert (request.path, request.body) == ("/hook?a=b", b'{"a": 1}')
    assert request.headers["x-name"] == "value"
    assert request.headers["host"] == f"localhost:{receiver.server_port}"


@pytest.mark.parametrize("status", [200, 202, 299])
def test_status_of_2xx_is_a_success(receiver: Receiver, status: int) -> None:
    receiver.will(answer(status))
    assert send(receiver.url).is_success


@pytest.mark.parametrize("status", [400, 404, 410, 429, 500, 503])
def test_other_status_is_an_error(receiver: Receiver, status: int) -> None:
    receiver.will(answer(status))
    outcome = send(receiver.url)
    assert (outcome.error, outcome.status) == ("http_status", status)
    assert bool(outcome.off_reason) == (status == 410)


@pytest.mark.parametrize("behaviour", [hang, drip, late(LIMIT_S + 1)])
def test_receiver_without_an_answer_in_time_is_cut(
    receiver: Receiver, behaviour: Behaviour
) -> None:
    receiver.will(behaviour)
    began_s = time.monotonic()
    outcome = send(receiver.url)
    assert outcome.error == "timed_out"
    assert LIMIT_S - 0.1 < time.monotonic() - began_s < LIMIT_S + 0.8
    assert outcome.duration_ms >= 1000 * (LIMIT_S - 0.1)


def test_late_answer_within_the_limit_is_a_success(receiver: Receiver) -> None:
    receiver.will(late(LIMIT_S / 2))
    assert send(receiver.url).is_success


def test_post_over_a_dropped_connection_is_an_error(receiver: Receiver) -> None:
    receiver.will(drop)
    assert send(receiver.url).error == "connection_failed"


def test_post_to_a_closed_port_is_an_error(settings: Any) -> None:
    settings.WEBHOOK_ALLOW_INTERNAL = True
    outcome = send(f"http://127.0.0.1:{closed_port()}/")
    assert (outcome.error, outcome.status) == ("connection_failed", None)


def test_answer_that_is_no_http_is_an_error(receiver: Receiver) -> None:
    receiver.will(speak_ssh)
    assert send(receiver.url).error == "connection_failed"


def test_post_does_not_follow_a_redirect(receivers: Callable[..., Receiver]) -> None:
    inner = receivers()
    outer = receivers(redirect(inner.url))
    assert send(outer.url).error == "redirected"
    assert not inner.received
    assert not inner.got


def test_internal_address_is_refused_without_a_connection(settings: Any) -> None:
    settings.WEBHOOK_ALLOW_INTERNAL = False
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.3)
        outcome = send(f"http://0x7f.1:{server.getsockname()[1]}/")
        assert outcome.error == "internal_address"
        with pytest.raises(TimeoutError):
            server.accept()


def test_connection_goes_to_the_address_that_was_checked(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that resolves to a public address for the check and to an internal one afterwards."""
    asked: list[str] = []

    def getaddrinfo(host: str, *args: Any, **options: Any) -> Any:
        asked.append(host)
        return real(host if host != "hook.example" else "127.0.0.1", *args, **options)

    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert send(f"http://hook.example:{receiver.server_port}/x").is_success
    assert asked.count("hook.example") == 1
    assert set(asked) == {"hook.example", "127.0.0.1"}
    assert receiver.received[0].headers["host"] == f"hook.example:{receiver.server_port}"


def test_second_address_is_tried_when_the_first_takes_no_connection(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_post, "allowed_addresses", lambda _: ["127.0.0.2", "127.0.0.1"])
    assert send(receiver.url).is_success


def test_post_sends_nothing_after_a_lost_lease(receiver: Receiver) -> None:
    with pytest.raises(NotSent):
        send(receiver.url, may_send=lambda: False)
    assert not receiver.received


class TestTls:
    @pytest.fixture
    def site(self, receivers: Callable[..., Receiver], tmp_path: Path) -> Receiver:
        self.cert, key = self_signed(tmp_path)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, key)
        return receivers(tls=context)

    def test_post_refuses_an_unknown_certificate(self, site: Receiver) -> None:
        outcome = send(site.url)
        assert outcome.error == "tls_failed"
        assert not site.received

    def test_certificate_of_the_name_is_accepted(
        self, site: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(self.cert))
        assert send(site.url, limit_s=5.0).is_success
        assert site.received[0].body == b'{"a": 1}'

    def test_certificate_of_another_name_is_refused(
        self, site: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The certificate must match the name in the URL, not only the address."""
        monkeypatch.setenv("SSL_CERT_FILE", str(self.cert))
        outcome = send(f"https://127.0.0.1:{site.server_port}/", limit_s=5.0)
        assert outcome.error == "tls_failed"
        assert not site.received
