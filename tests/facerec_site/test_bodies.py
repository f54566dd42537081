"""The gate for bodies: it decides by headers, and limits all bodies together."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from django.contrib.auth import get_user_model
from django.db import OperationalError
from django.test import Client

from accounts.access import Scope
from accounts.models import ApiKey
from facerec_site import bodies
from facerec_site.bodies import BodyGate

MB = 2**20
pytestmark = pytest.mark.django_db(transaction=True)


class Site:
    """Replaces Django: holds the body until the test releases it."""

    def __init__(self) -> None:
        self.asked = 0
        self.go = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked += 1
        while (await receive()).get("more_body"):
            pass
        await self.go.wait()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture
async def site() -> Site:
    return Site()


@pytest.fixture
async def gate(site: Site) -> BodyGate:
    return BodyGate(site)


@pytest.fixture
def key() -> str:
    return ApiKey.issue(name="all", scopes=[Scope.DETECT])[1]


def sends(
    gate: BodyGate, size: object, path: str = "/api/v1/detect", **headers: str
) -> ApplicationCommunicator:
    """A request that announces this many bytes and has sent none of them."""
    sent = {"content-length": str(size), "x-request-id": "mine"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
    }
    return ApplicationCommunicator(gate, scope)


async def answer(request: ApplicationCommunicator) -> tuple[int, str]:
    """Status and code; a refusal has the one shape of errors, with the id that was sent."""
    start = await request.receive_output(5)
    body = (await request.receive_output(5))["body"]
    if not body:
        return start["status"], ""
    told = json.loads(body)
    assert told["request_id"] == "mine"
    assert (b"X-Request-Id", b"mine") in start["headers"]
    return start["status"], told["error"]["code"]


async def is_let_in(request: ApplicationCommunicator, site: Site) -> bool:
    before = site.asked
    await request.send_input({"type": "http.request", "body": b""})
    await request.receive_nothing(0.3)
    return site.asked > before


async def test_large_body_of_stranger_is_refused_before_it_is_read(
    gate: BodyGate, site: Site
) -> None:
    assert await answer(sends(gate, MB + 1)) == (401, "not_authenticated")
    assert await answer(sends(gate, 60 * MB, x_api_key="wrong")) == (401, "not_authenticated")
    assert await answer(sends(gate, 60 * MB, cookie="sessionid=x")) == (401, "not_authenticated")
    assert site.asked == 0


async def test_large_body_of_stranger_to_a_page_is_refused_with_a_page(gate: BodyGate) -> None:
    request = sends(gate, 60 * MB, "/admin/people/person/add/")
    assert (await request.receive_output(5))["status"] == 401
    assert b"Sign in" in (await request.receive_output(5))["body"]


@pytest.mark.parametrize(
    ("size", "headers", "refused"),
    [
        (64 * MB + 1, {}, (413, "request_too_large")),
        ("many", {}, (411, "length_required")),
        (9, {"transfer_encoding": "chunked"}, (411, "length_required")),
    ],
)
async def test_body_without_a_fitting_length_is_refused_unread(
    gate: BodyGate, site: Site, size: object, headers: dict[str, str], refused: tuple[int, str]
) -> None:
    assert await answer(sends(gate, size, **headers)) == refused
    assert site.asked == 0


async def test_large_body_with_key_is_let_in(gate: BodyGate, site: Site, key: str) -> None:
    assert await is_let_in(sends(gate, 60 * MB, x_api_key=key), site)


async def test_large_body_with_session_is_let_in(
    gate: BodyGate, site: Site, client: Client
) -> None:
    def signed_in() -> str:
        client.force_login(get_user_model().objects.create_user("anna"))
        return client.cookies["sessionid"].value

    cookie = f"sessionid={await asyncio.to_thread(signed_in)}"
    assert await is_let_in(sends(gate, 60 * MB, cookie=cookie), site)


async def test_what_strangers_hold_together_is_bounded(
    gate: BodyGate, site: Site, key: str
) -> None:
    gate.strangers.most_bytes = 3 * MB
    first = [sends(gate, MB) for _ in range(3)]
    assert all([await is_let_in(request, site) for request in first])
    assert await answer(sends(gate, MB)) == (503, "server_busy")
    assert await is_let_in(sends(gate, 2000), site), "a form to sign in is always taken"
    assert await is_let_in(sends(gate, MB, x_api_key=key), site), "callers who are known have room"
    site.go.set()
    assert [await answer(request) for request in first] == [(204, "")] * 3
    assert gate.strangers.held_bytes == 0


async def test_what_known_callers_hold_together_is_bounded(
    gate: BodyGate, site: Site, key: str
) -> None:
    gate.known.most_bytes = 100 * MB
    first = sends(gate, 60 * MB, x_api_key=key)
    assert await is_let_in(first, site)
    assert await answer(sends(gate, 60 * MB, x_api_key=key)) == (503, "server_busy")
    site.go.set()
    assert await answer(first) == (204, "")
    assert gate.known.held_bytes == 0


@pytest.mark.parametrize("size", [2000, MB])
async def test_body_that_does_not_come_is_given_up(
    gate: BodyGate, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(bodies, "_ARRIVES_WITHIN_S", 0.1)
    monkeypatch.setattr(bodies, "_SLOWEST_BYTES_PER_S", 1000 * MB)
    assert await answer(sends(gate, size)) == (408, "request_timeout")
    assert gate.strangers.held_bytes == 0


async def test_large_body_while_the_database_is_away(
    gate: BodyGate, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(secret: str) -> None:
        raise OperationalError(2002, "gone")

    monkeypatch.setattr(ApiKey, "find", away)
    assert await answer(sends(gate, 2 * MB, x_api_key="k")) == (503, "database_unavailable")
    assert site.asked == 0
