"""The shared cache uses the memory of each process while Redis is away."""

from __future__ import annotations

import signal
import time
from typing import Any

import pytest
from django.core.cache import cache, caches

from facerec_site.cache import Circuit, SharedCache
from tools.private_redis import RedisServer

pytestmark = pytest.mark.redis


@pytest.fixture(autouse=True)
def _shared(redis: RedisServer, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facerec_site.cache.RETRY_S", 0.3)
    options = {"socket_timeout": 0.5, "socket_connect_timeout": 0.5}
    settings.CACHES = {
        "default": {
            "BACKEND": "facerec_site.cache.SharedCache",
            "LOCATION": redis.url,
            "OPTIONS": options,
        }
    }


def until_shared() -> None:
    """The next call asks Redis again."""
    time.sleep(0.4)


def test_cached_values_are_stored_in_redis(redis: RedisServer) -> None:
    cache.set("calls", [1.0, 2.0], 60)
    assert cache.get("calls") == [1.0, 2.0]
    assert SharedCache(redis.url, {}).get("calls") == [1.0, 2.0]


def test_own_memory_counts_while_redis_is_away(redis: RedisServer) -> None:
    cache.set("calls", 1, 60)
    redis.kill()
    assert cache.get("calls") is None
    cache.set("calls", 7, 60)
    assert cache.get("calls") == 7
    assert cache.incr("calls") == 8
    assert caches["default"].get_many(["calls"]) == {"calls": 8}


def test_redis_is_used_again_once_it_is_back(redis: RedisServer) -> None:
    redis.kill()
    cache.set("calls", 1, 60)
    redis.start()
    until_shared()
    assert cache.get("calls") is None
    cache.set("calls", 2, 60)
    assert SharedCache(redis.url, {}).get("calls") == 2


def test_hanging_redis_is_waited_for_once(redis: RedisServer) -> None:
    assert redis.process is not None
    cache.set("calls", 1, 60)
    redis.process.send_signal(signal.SIGSTOP)
    started = time.monotonic()
    cache.set("calls", 2, 60)
    waited_s = time.monotonic() - started
    assert 0.4 < waited_s < 2
    for _ in range(100):
        assert cache.get("calls") == 2
    assert time.monotonic() - started < waited_s + 0.3


def test_open_circuit_lets_one_caller_through_at_a_time(caplog: pytest.LogCaptureFixture) -> None:
    circuit = Circuit()
    assert circuit.lets_through()
    for _ in range(3):
        circuit.failed(ConnectionError("refused"))
    assert [circuit.lets_through() for _ in range(3)] == [False] * 3
    until_shared()
    assert [circuit.lets_through() for _ in range(3)] == [True, False, False]
    circuit.worked()
    assert [circuit.lets_through() for _ in range(3)] == [True] * 3
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    assert "does not answer" in told[0]
    assert "answers again" in told[1]


def test_wrong_use_of_the_cache_raises() -> None:
    with pytest.raises(ValueError, match="not found"):
        cache.incr("nothing")
