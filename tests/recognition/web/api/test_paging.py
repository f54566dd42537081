"""Lists in pages: stable while rows come and go."""

from __future__ import annotations

import base64
from urllib.parse import urlencode

import pytest

from recognition.people.models import Collection
from tests.answers import good, refusal
from tests.callers import Caller
from tests.factories import make_person

pytestmark = pytest.mark.django_db
PERSONS = "/api/v1/persons"


def test_paging_lists_every_row_once_while_rows_are_added(
    api: Caller, collection: Collection
) -> None:
    people = [str(make_person(collection).pk) for _ in range(7)]
    found: list[str] = []
    address = f"{PERSONS}?page_size=3"
    while address:
        page = good(api.get(address))
        found += [row["id"] for row in page["results"]]
        make_person(collection)
        address = page["next"]
    assert found == people[::-1]


def test_previous_page_has_the_same_rows_again(api: Caller, collection: Collection) -> None:
    for _ in range(5):
        make_person(collection)
    first = good(api.get(PERSONS, {"page_size": 2}))
    second = good(api.get(first["next"]))
    assert first["previous"] is None
    assert good(api.get(second["previous"]))["results"] == first["results"]


def test_next_page_keeps_the_filters(api: Caller, collection: Collection) -> None:
    for name in ("Ann", "Bob", "Anna"):
        make_person(collection, name=name)
    first = good(api.get(PERSONS, {"query": "ann", "page_size": 1}))
    assert [row["name"] for row in good(api.get(first["next"]))["results"]] == ["Ann"]


@pytest.mark.parametrize(("size", "got"), [("1", 1), ("3", 3), ("100000", 3)])
def test_page_size_is_kept_within_its_bounds(
    api: Caller, collection: Collection, size: str, got: int
) -> None:
    for _ in range(3):
        make_person(collection)
    assert len(good(api.get(PERSONS, {"page_size": size}))["results"]) == got


@pytest.mark.parametrize("size", ["0", "-1", "x", "1.5", "", "²", "9" * 5000])
def test_a_size_that_is_none_is_refused(api: Caller, size: str) -> None:
    error = refusal(api.get(PERSONS, {"page_size": size}), 400, "validation_error")
    assert "page_size" in error["details"]["fields"]


def _cursor(**tokens: str) -> str:
    return base64.b64encode(urlencode(tokens).encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "\u00e4",
        _cursor(p="not a uuid"),
        _cursor(p="1' OR '1'='1"),
        _cursor(o="-1"),
        _cursor(o="x"),
    ],
)
def test_foreign_cursor_is_refused(api: Caller, collection: Collection, cursor: str) -> None:
    refusal(api.get(PERSONS, {"cursor": cursor}), 400, "bad_cursor")


@pytest.mark.parametrize(
    "resource", ["persons", "images", "events", "collections", "cameras", "api-keys"]
)
def test_every_list_has_the_same_shape(api: Caller, resource: str) -> None:
    page = good(api.get(f"/api/v1/{resource}"))
    assert set(page) == {"next", "previous", "results"}
