"""Liveness and readiness."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import InterfaceError, OperationalError
from django.test import Client

from accounts.access import Role
from facerec_site import health
from tests.factories import make_user
from tests.fakes import FakeEngine

READY = "/health/ready"
LIVE = "/health/live"


@pytest.fixture
def engine_says(monkeypatch: pytest.MonkeyPatch) -> Any:
    def say(state: str) -> None:
        told = {"state": state, "message": "", "device": ""}
        monkeypatch.setattr(health, "engine_state", lambda: told)

    say("ready")
    return say


@pytest.mark.django_db
class TestReady:
    def test_ready_if_every_part_answers(self, client: Client, engine_says: Any) -> None:
        answer = client.get(READY)
        assert answer.status_code == 200
        assert answer.json() == {
            "status": "ready",
            "parts": {
                "database": "ok",
                "storage": "ok",
                "engine": "ok",
                "galleries": "ok",
                "channel_layer": "ok",
            },
            "missing": [],
        }

    @pytest.mark.parametrize("state", ["off", "warming_up", "failed"])
    def test_not_ready_without_the_engine(
        self, client: Client, engine_says: Any, state: str
    ) -> None:
        engine_says(state)
        answer = client.get(READY)
        assert answer.status_code == 503
        assert answer.json()["parts"]["engine"] == state
        assert answer.json()["missing"] == ["engine"]
        assert answer["Retry-After"] == "2"

    @pytest.mark.parametrize("error", [OperationalError, InterfaceError])
    def test_not_ready_without_the_database(
        self,
        client: Client,
        engine_says: Any,
        monkeypatch: pytest.MonkeyPatch,
        error: type[Exception],
    ) -> None:
        def gone() -> None:
            raise error("server has gone away")

        monkeypatch.setattr(health.connection, "cursor", gone)
        answer = client.get(READY)
        assert answer.status_code == 503
        assert answer.json()["missing"] == ["database"]
        assert "gone away" not in answer.content.decode()

    def test_ready_without_the_channel_layer(
        self, client: Client, engine_says: Any, settings: Any
    ) -> None:
        settings.CHANNEL_LAYERS = {
            "default": {
                "BACKEND": "channels_redis.core.RedisChannelLayer",
                "CONFIG": {"hosts": ["redis://127.0.0.1:9/0"]},
            }
        }
        answer = client.get(READY)
        assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
        assert answer.json()["missing"] == ["channel_layer"]

    def test_an_administrator_sees_how_busy_the_engine_is(
        self, client: Client, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        counters = {"detect": {"calls": 3, "waiting": 1, "batch_sizes": {2: 1}}}
        monkeypatch.setattr(engine, "stats", lambda: counters)
        assert "engine" not in client.get(READY).json()
        client.force_login(make_user(Role.OPERATOR))
        assert "engine" not in client.get(READY).json()
        client.force_login(make_user(Role.ADMINISTRATOR))
        assert client.get(READY).json()["engine"]["detect"]["waiting"] == 1

    def test_readiness_is_never_cached(self, client: Client, engine_says: Any) -> None:
        engine_says("warming_up")
        answer = client.get(READY)
        assert "no-store" in answer["Cache-Control"]
        engine_says("ready")
        assert client.get(READY).status_code == 200


def test_alive_answers_without_the_database(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This test has no database mark, so any use of the database would fail."""
    answer = client.get(LIVE)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_probe_may_ask_by_any_address_and_without_https(client: Client, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    assert client.get(LIVE, headers={"host": "10.1.2.3:8000"}).status_code == 200
    assert client.get("/live/", headers={"host": "10.1.2.3:8000"}).status_code == 400
    assert client.get("/live/").status_code == 301


@pytest.mark.parametrize("path", [READY, LIVE])
def test_health_addresses_refuse_post(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405
