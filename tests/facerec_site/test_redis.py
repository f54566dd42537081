"""Several processes through a real Redis, and a Redis that goes away and comes back."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.core.cache import cache
from django.test import Client

from facerec_site import health
from recognition.notices import publish
from recognition.notices.publish import ALL_EVENTS
from tools.ports import free_port
from tools.private_redis import private_redis
from tools.system import find_program

pytestmark = [
    pytest.mark.redis,
    pytest.mark.skipif(
        find_program("redis-server", "valkey-server") is None, reason="Redis is not installed"
    ),
]
ROOT = Path(__file__).parents[2]
PUBLISH = """
import asyncio, threading
import django
django.setup()
from recognition.notices import publish

async def main():
    publish.set_loop(asyncio.get_running_loop())
    tell = lambda: publish.publish_event({"id": "e1", "kind": "opened"}, collection_id="c1")
    await asyncio.to_thread(tell)
    await asyncio.sleep(0.5)

asyncio.run(main())
"""


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    """The Redis of the test run, or a private one."""
    if url := os.environ.get("REDIS_URL_TEST"):
        yield url
        return
    with private_redis(tmp_path / "redis") as url:
        yield url


def use_redis(settings: Any, url: str) -> None:
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            "CONFIG": {"hosts": [{"address": url, "socket_timeout": None}]},
        }
    }
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": url}
    }


def test_published_event_reaches_another_process(
    redis_url: str, settings: Any, tmp_path: Path
) -> None:
    use_redis(settings, redis_url)
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "facerec_site.settings",
        "ENV_FILE": os.devnull,
        "FACEREC_VAR": str(tmp_path / "var"),
        "REDIS_URL": redis_url,
    }

    async def hear() -> dict[str, Any]:
        layer = get_channel_layer()
        channel = await layer.new_channel("test")
        await layer.group_add(ALL_EVENTS, channel)
        other = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PUBLISH, cwd=ROOT, env=environment, stderr=subprocess.PIPE
        )
        message = await asyncio.wait_for(layer.receive(channel), 60)
        await other.communicate()
        assert other.returncode == 0
        return message

    message = async_to_sync(hear)()
    assert message["event"] == {"id": "e1", "kind": "opened"}


def test_cache_lies_in_redis_and_is_shared(redis_url: str, settings: Any) -> None:
    """The throttles of calls keep their counts in this cache."""
    use_redis(settings, redis_url)
    cache.set("throttle_caller_test", [1.0, 2.0], 60)
    assert cache.get("throttle_caller_test") == [1.0, 2.0]


@pytest.mark.django_db
def test_readiness_follows_a_redis_that_goes_and_comes_back(
    client: Client, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = {"state": "ready", "message": "", "device": ""}
    monkeypatch.setattr(health, "engine_state", lambda: ready)
    port = free_port()
    use_redis(settings, f"redis://127.0.0.1:{port}/0")
    for number in range(2):
        assert client.get("/health/ready").json()["missing"] == ["channel_layer"]
        with private_redis(tmp_path / f"redis{number}", port=port):
            assert client.get("/health/ready").json()["missing"] == []


def test_readiness_does_not_disturb_a_websocket_that_waits(settings: Any, redis_url: str) -> None:
    use_redis(settings, redis_url)

    async def waited() -> tuple[str, Any]:
        publish.set_loop(asyncio.get_running_loop())
        layer = get_channel_layer()
        channel = await layer.new_channel()
        waiting = asyncio.create_task(layer.receive(channel))
        await asyncio.sleep(0.2)  # it listens now
        state = await asyncio.to_thread(health._channel_layer)
        await layer.send(channel, {"type": "later"})
        return state, await asyncio.wait_for(waiting, 20)

    try:
        state, message = asyncio.run(waited())
    finally:
        publish.set_loop(None)
    assert state == health.OK
    assert message["type"] == "later"
