"""Fixtures for tests of the served site."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.facerec_site.site import Served
from tools.private_redis import RedisServer
from tools.system import find_program


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Start another site; it is killed at the end if it still runs."""
    started: list[Served] = []

    def begin(*arguments: str, **environment: str) -> Served:
        started.append(Served(tmp_path / "var", *arguments, **environment))
        return started[-1]

    yield begin
    for served in started:
        served.kill()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A private Redis that the test may kill and start again."""
    if find_program("redis-server", "valkey-server") is None:
        pytest.skip("Redis is not installed")
    server = RedisServer(tmp_path / "redis")
    server.start()
    yield server
    server.kill()
