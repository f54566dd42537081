"""A served site that plays a network camera, while what it depends on goes and comes back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.facerec_site.calls import get, manage
from tests.facerec_site.site import PATIENCE_S, Served
from tests.recognition.cameras.network import rtsp_server, sent_pictures
from tests.recognition.cameras.sources.rtsp_peer import RtspServer
from tools.private_mariadb import MariadbServer
from tools.private_redis import RedisServer
from tools.system import find_program

__all__ = ["rtsp_server", "sent_pictures"]
# Longer than a visit waits for its person, and than a camera is read.
_AWAY_S = 6.0


@pytest.fixture
def mariadb(tmp_path: Path) -> Iterator[MariadbServer]:
    """Not a disposable one: what was committed must be there after the kill."""
    pytest.importorskip("MySQLdb")
    if find_program("mariadbd", "mysqld") is None:
        pytest.skip("MariaDB is not installed")
    server = MariadbServer(tmp_path / "mariadb")
    server.start()
    yield server
    server.kill()


def _until(is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.2)


def _events(site: Served) -> list[dict[str, Any]]:
    """The newest first; none while the site cannot tell them."""
    answer = get(site, "/api/v1/events", **{"X-Api-Key": site.made["key"]})
    return json.loads(answer.body)["results"] if answer.status == 200 else []


def _add_camera(site: Served, url: str) -> str:
    """Its address in the API."""
    values = {"name": "Door", "kind": "rtsp", "address": url}
    answer = manage(site, "POST", "/api/v1/cameras", values)
    assert answer.status == 201, answer.body
    return f"/api/v1/cameras/{json.loads(answer.body)['id']}"


def _check_one_visit_goes_on(
    site: Served, rtsp_server: RtspServer, server: MariadbServer | RedisServer
) -> None:
    """A person stands in front of the camera while the server is killed and comes back."""
    camera = _add_camera(site, rtsp_server.url("people"))
    _until(lambda: _events(site))
    before = _events(site)
    server.kill()
    time.sleep(_AWAY_S)
    server.start()
    _until(lambda: get(site, "/health/ready").status == 200)
    _until(lambda: [event["ended_at"] for event in _events(site)] > [before[0]["ended_at"]])
    _until(lambda: manage(site, "PATCH", camera, {"is_enabled": False}).status == 200)
    _until(lambda: not any(event["is_open"] for event in _events(site)))
    (event,) = _events(site)
    assert event["id"] == before[0]["id"]
    assert event["started_at"] == before[0]["started_at"]
    assert event["face_url"]
    assert not site.tracebacks, site.tracebacks


def test_visit_to_a_network_camera_outlives_the_database(
    start: Callable[..., Served], rtsp_server: RtspServer, mariadb: MariadbServer
) -> None:
    site = start("--", "--port", "0", DATABASE_URL=mariadb.url, CAMERA_ALLOW_LOCAL="true")
    _check_one_visit_goes_on(site, rtsp_server, mariadb)


@pytest.mark.redis
def test_visit_to_a_network_camera_outlives_redis(
    start: Callable[..., Served], rtsp_server: RtspServer, redis: RedisServer
) -> None:
    site = start("--", "--port", "0", REDIS_URL=redis.url, CAMERA_ALLOW_LOCAL="true")
    _check_one_visit_goes_on(site, rtsp_server, redis)
