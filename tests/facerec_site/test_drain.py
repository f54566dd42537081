"""SIGTERM while the site is at work: every request is answered, or its connection is refused."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import websockets

from tests.facerec_site.calls import ask, identify, new_connection
from tests.facerec_site.site import PATIENCE_S, Served, closed_with

ANOTHER_TIME = {"stopping", "connection refused"}


@pytest.fixture
def slow_site(start: Callable[..., Served]) -> Served:
    return start("--slow-s", "2", "--", "--port", "0")


def test_identifies_that_run_are_answered_and_later_ones_refused(slow_site: Served) -> None:
    with ThreadPoolExecutor(12) as pool:
        running = [pool.submit(identify, slow_site) for _ in range(12)]
        time.sleep(1)
        kept = new_connection(slow_site)
        assert ask(slow_site, kept, "GET", "/api/v1/me").status == 200
        slow_site.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert ask(slow_site, kept, "GET", "/api/v1/me").is_another_time
        assert identify(slow_site).is_another_time
        page = ask(slow_site, new_connection(slow_site), "GET", "/live/")
        assert (page.status, page.headers["content-type"]) == (503, "text/html; charset=utf-8")
        assert ask(slow_site, new_connection(slow_site), "GET", "/health/live").status == 200
        answers = [future.result() for future in running]
    assert [answer.status for answer in answers] == [200] * 12
    assert slow_site.wait() == 0


def test_no_connection_breaks_while_clients_keep_coming(slow_site: Served) -> None:
    """Some clients use a new connection for each request, others keep one."""
    seen: list[str] = []

    def call(*, keeps: bool) -> None:
        client = new_connection(slow_site)
        while True:
            try:
                answer = ask(slow_site, client, "GET", "/api/v1/me")
                seen.append("stopping" if answer.is_another_time else str(answer.status))
            except ConnectionRefusedError:
                seen.append("connection refused")
                return
            except OSError as error:
                seen.append(repr(error))
                return
            if not keeps or answer.headers.get("connection") == "close":
                client.close()

    callers = [threading.Thread(target=call, kwargs={"keeps": n % 2 == 0}) for n in range(6)]
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(identify, slow_site)
        for caller in callers:
            caller.start()
        time.sleep(1)
        slow_site.process.send_signal(signal.SIGTERM)
        assert running.result().status == 200
    for caller in callers:
        caller.join(PATIENCE_S)
    assert slow_site.wait() == 0
    assert set(seen) == {"200", *ANOTHER_TIME}
    assert seen.count("connection refused") == len(callers)


def test_a_request_beyond_the_time_to_stop_is_answered_503(start: Callable[..., Served]) -> None:
    site = start("--slow-s", "6", "--", "--port", "0", DRAIN_S="2")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(identify, site)
        time.sleep(1)
        site.process.send_signal(signal.SIGTERM)
        assert running.result().is_another_time
    site.wait()


def test_a_request_that_still_arrives_is_answered(slow_site: Served) -> None:
    assert slow_site.address
    with socket.create_connection(("localhost", int(slow_site.address[2]))) as client:
        client.sendall(b"POST /api/v1/identify HTTP/1.1\r\nHost: localhost\r\n")
        time.sleep(0.5)
        slow_site.process.send_signal(signal.SIGTERM)
        time.sleep(1)
        client.sendall(b"Content-Length: 3\r\n\r\nabc")
        assert client.recv(100).startswith(b"HTTP/1.1 503 ")
    assert slow_site.wait() == 0


async def test_a_socket_whose_handshake_runs_is_told_to_come_back(
    start: Callable[..., Served],
) -> None:
    site = start("--slow-keys-s", "1", "--", "--port", "0")
    opening = asyncio.create_task(site.socket("/ws/events/", key="key").__aenter__())
    await asyncio.sleep(0.5)
    site.process.send_signal(signal.SIGTERM)
    await asyncio.sleep(0.2)
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with site.socket("/ws/events/", key="key"):
            pass
    assert refused.value.response.status_code == 503
    assert (await closed_with(await opening))[0] == 1012
    assert await asyncio.to_thread(site.wait) == 0
