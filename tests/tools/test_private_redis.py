from __future__ import annotations

from pathlib import Path

import pytest
import redis

from tools.private_redis import RedisServer, private_redis
from tools.system import find_program

pytestmark = pytest.mark.skipif(
    find_program("redis-server", "valkey-server") is None, reason="Redis is not installed"
)


def test_private_redis_keeps_nothing_and_is_stopped(tmp_path: Path) -> None:
    with private_redis(tmp_path / "redis") as url:
        client = redis.Redis.from_url(url)
        client.set("name", "value")
        assert client.get("name") == b"value"
        assert client.config_get("bind") == {"bind": "127.0.0.1"}
    with pytest.raises(redis.ConnectionError):
        redis.Redis.from_url(url).ping()
    assert list((tmp_path / "redis").iterdir()) == []


def test_killed_private_redis_starts_again_on_its_port(tmp_path: Path) -> None:
    server = RedisServer(tmp_path / "redis")
    server.start()
    try:
        server.kill()
        with pytest.raises(redis.ConnectionError):
            redis.Redis.from_url(server.url).ping()
        server.start()
        assert redis.Redis.from_url(server.url).ping()
    finally:
        server.stop()
