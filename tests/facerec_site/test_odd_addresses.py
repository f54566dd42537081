"""Odd addresses get a 4xx answer, and never an error of the server."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from accounts.access import Role
from tests.accounts.test_every_address import ROUTES, World, world  # noqa: F401
from tests.callers import signed_in, with_key

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("engine")]

TIMES = [
    "9999-12-31T23:59:59.999999-23:59",
    "9999-12-31T23:59:59.999999Z",
    "0001-01-01T00:00:00+23:59",
    "0001-01-01T00:00:00Z",
    "0000-01-01T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "2026-01-01",
    "9" * 400,
]
TEXTS = [
    "",
    "x",
    "-1",
    "9" * 30,
    "'",
    "%",
    "\x00",
    "\ud800",
    "🙂",
    "null",
    "a" * 5000,
    "../..",
    "1/1",
]
LISTS = [
    "persons",
    "images",
    "events",
    "cameras",
    "collections",
    "webhooks",
    "api-keys",
    "jobs",
    "webhook-deliveries",
    "person-images",
]


def _encoded(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


def _cursors() -> Iterator[str]:
    for position in (*TIMES, *TEXTS):
        for more in ({}, {"r": "1"}, {"o": "3"}, {"o": "-3"}, {"o": "9" * 30}):
            tokens = {"p": position.encode("utf-8", "surrogatepass"), **more}
            yield base64.b64encode(urlencode(tokens).encode()).decode()
    yield from ("x", "=", "ä", "AAAA")


def test_no_cursor_fails_the_server(world: World) -> None:  # noqa: F811
    caller, wrong = with_key(), []
    for name in LISTS:
        for cursor in _cursors():
            answer = caller.get(f"{world.address(name)}?cursor={_encoded(cursor)}")
            if answer.status_code not in (200, 400):
                wrong.append((name, cursor, answer.status_code))
    assert wrong == []


def test_no_time_fails_the_server(world: World) -> None:  # noqa: F811
    caller, wrong = with_key(), []
    for value in (*TIMES, *filter(str.isprintable, TEXTS)):
        body = {"name": "k", "scopes": ["detect"], "expires_at": value}
        answers = [
            *(
                caller.get(f"/api/v1/events?{name}={_encoded(value)}")
                for name in ("since", "until")
            ),
            caller.post("/api/v1/api-keys", body),
            caller.patch(world.address("person"), {"consent_at": value}),
        ]
        wrong += [(value, a.status_code) for a in answers if a.status_code not in (200, 201, 400)]
    assert wrong == []


def _admin_addresses() -> Iterator[str]:
    """Each page of the admin whose address has an id, with odd values instead of the id."""
    for route in ROUTES.values():
        if route.startswith("admin/") and "<" in route and "(?P" not in route:
            for text in filter(None, TEXTS):
                yield "/" + re.sub(r"<[^>]+>", _encoded(text), route)
                yield "/" + re.sub(r"<[^>]+>", "1", route)


def test_no_address_of_the_admin_fails_the_server(world: World) -> None:  # noqa: F811
    caller, wrong = signed_in(Role.ADMINISTRATOR), []
    for address in dict.fromkeys(["/admin/r/1/1/", "/admin/r/x/y/", *_admin_addresses()]):
        answer = caller.get(address)
        if answer.status_code not in (200, 302, 400, 403, 404, 405):
            wrong.append((address, answer.status_code))
    assert wrong == []


VALUES = ("x", "-1", "9" * 30, "\x00", "🙂", "2026-02-30")
QUERIES = ["q", "o", "p", "e", "all", "_facets", "_popup", "_to_field", "_changelist_filters"]


def _filters(answer: Any) -> Iterator[str]:
    for spec in answer.context["cl"].filter_specs:
        yield from (name for name in spec.expected_parameters() if name)


def test_no_query_of_a_list_in_the_admin_fails_the_server(world: World) -> None:  # noqa: F811
    caller, wrong = signed_in(Role.ADMINISTRATOR), []
    lists = [route for name, route in ROUTES.items() if name.endswith("_changelist")]
    for number, route in enumerate(lists):
        for name, value in _queries(number, _filters(caller.get(f"/{route}"))):
            answer = caller.get(f"/{route}?{name}={_encoded(value)}")
            if answer.status_code not in (200, 302, 400):
                wrong.append((route, name, value, answer.status_code))
    assert wrong == []


def _queries(number: int, filters: Iterable[str]) -> Iterator[tuple[str, str]]:
    """All values for the filters of a list. What every list has gets one value in each list, and
    all of them in the lists together."""
    yield from product((*filters, "id__exact"), VALUES)
    for place, name in enumerate((*QUERIES, "no__such")):
        yield name, VALUES[(number + place) % len(VALUES)]
