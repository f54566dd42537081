"""A served site with Redis: idle for longer than any limit, without it, and with it again."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Callable

import pytest
import websockets
from websockets.asyncio.client import ClientConnection

from tests.facerec_site.calls import Answer, ask, get, identify, new_connection, sign_in
from tests.facerec_site.site import (
    PATIENCE_S,
    Served,
    closed_with,
    hear,
    send_frame,
    start_session,
)
from tests.fakes import photo
from tools.private_redis import RedisServer

pytestmark = pytest.mark.redis
ANN = 11
# The longest wait of channels_redis is 5 s, and redis-py's default limit as well.
LONGER_THAN_ANY_WAIT_S = 13
UNAVAILABLE = 4503


@pytest.fixture
def site(start: Callable[..., Served], redis: RedisServer) -> Served:
    return start("--", "--port", "0", REDIS_URL=redis.url, API_RATE="200/min")


def readiness(site: Served) -> tuple[int, str, list[str]]:
    answer = get(site, "/health/ready")
    told = json.loads(answer.body)
    return answer.status, told["status"], told["missing"]


def until_readiness_is(site: Served, *expected: object) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while (told := readiness(site)) != expected and time.monotonic() < deadline:
        time.sleep(0.1)
    assert told == expected


def me(site: Served) -> Answer:
    return ask(site, new_connection(site), "GET", "/api/v1/me")


async def until_connected(site: Served) -> ClientConnection:
    """An open socket of the feed. The client reconnects until it stays open, as the page does."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        client = await site.socket("/ws/events/", key="key")
        try:
            await asyncio.wait_for(client.recv(), 1)
        except TimeoutError:
            return client
        except websockets.ConnectionClosed as closed:
            assert closed.rcvd
            assert closed.rcvd.code == UNAVAILABLE
    pytest.fail("the feed did not come back")


async def make_event(site: Served) -> None:
    """A person is seen, so an event opens."""
    async with site.socket("/ws/live/", key="key") as client:
        await start_session(client, site)
        for _ in range(10):
            await send_frame(client, photo(ANN, looks=1))
            await asyncio.sleep(0.1)  # a face is unknown after 0.7 s


async def test_idle_sockets_stay_open_and_hear_what_comes_then(site: Served) -> None:
    async with (
        site.socket("/ws/events/", key="key") as one,
        site.socket("/ws/events/", key="key") as other,
        site.socket("/ws/live/", key="key"),
    ):
        await asyncio.sleep(LONGER_THAN_ANY_WAIT_S)
        await make_event(site)
        for client in (one, other):
            assert (await hear(client))["event"]["kind"] == "opened"


def test_rest_and_sign_in_go_on_without_redis(site: Served, redis: RedisServer) -> None:
    until_readiness_is(site, 200, "ready", [])
    redis.kill()
    started = time.monotonic()
    for _ in range(5):
        assert me(site).status == 200
        assert identify(site).status == 200
    assert sign_in(site).status == 302
    assert sign_in(site, "not the password").status == 200
    assert time.monotonic() - started < 10
    until_readiness_is(site, 200, "degraded", ["channel_layer"])
    redis.start()
    until_readiness_is(site, 200, "ready", [])
    assert me(site).status == 200
    assert not site.tracebacks, site.tracebacks


def test_limits_are_counted_in_the_process_without_redis(
    start: Callable[..., Served], redis: RedisServer
) -> None:
    site = start("--", "--port", "0", REDIS_URL=redis.url, API_RATE="3/min", SIGN_IN_RATE="2/min")
    redis.kill()
    assert [me(site).status for _ in range(4)] == [200, 200, 200, 429]
    assert [sign_in(site, "wrong").status for _ in range(3)] == [200, 200, 429]


def test_redis_that_hangs_holds_up_no_request_for_long(site: Served, redis: RedisServer) -> None:
    assert redis.process is not None
    assert me(site).status == 200
    redis.process.send_signal(signal.SIGSTOP)
    started = time.monotonic()
    for _ in range(10):
        assert me(site).status == 200
    assert time.monotonic() - started < 5
    until_readiness_is(site, 200, "degraded", ["channel_layer"])
    redis.process.send_signal(signal.SIGCONT)
    until_readiness_is(site, 200, "ready", [])


async def test_feed_comes_back_with_redis_and_other_sockets_stay(
    site: Served, redis: RedisServer
) -> None:
    async with (
        site.socket("/ws/live/", key="key") as live,
        site.socket("/ws/events/", key="key") as feed,
    ):
        await start_session(live, site)
        await asyncio.to_thread(redis.kill)
        assert await closed_with(feed) == (UNAVAILABLE, "Live notices are away; try again.")
        async with site.socket("/ws/events/", key="key") as again:
            assert (await closed_with(again))[0] == UNAVAILABLE
        assert (await send_frame(live, photo(ANN, looks=2)))["type"] == "faces"
        await asyncio.to_thread(redis.start)
        back = await until_connected(site)
        await make_event(site)
        assert (await hear(back))["event"]["kind"] == "opened"
        await back.close()
        assert (await send_frame(live, photo(ANN, looks=2)))["type"] == "faces"
    assert not site.tracebacks, site.tracebacks
