"""Each operation of the API refuses unknown names and lists the known ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction

from tests import contract
from tests.accounts.test_every_address import API, World, world  # noqa: F401
from tests.answers import good, refusal
from tests.callers import Caller, with_key
from tests.factories import make_person

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.only_on("SQLite"),
    pytest.mark.usefixtures("engine"),
]

PERSONS = "/api/v1/persons"
OPERATIONS = [
    (name, method) for name, methods in API.items() if name != "schema" for method in methods
]


def _ask(method: str, address: str, body: Any = None) -> Any:
    """The answer to a key of an administrator. All changes are rolled back."""
    caller = with_key()
    caller.ends_with_commit = False
    sent = "" if body is None else json.dumps(body)
    with transaction.atomic():
        answer = caller.generic(method, address, sent, content_type="application/json")
        transaction.set_rollback(True)
    return answer


def _parameters(method: str, address: str) -> Iterator[str]:
    operation = contract.operation_of(method, address) or {}
    yield from (each["name"] for each in operation.get("parameters", []) if each["in"] == "query")


@pytest.mark.parametrize("query", ["?no_such=1", "?no_such="])
def test_unknown_parameter_is_refused_with_the_known_ones(
    world: World,  # noqa: F811
    query: str,
) -> None:
    for name, method in OPERATIONS:
        address = world.address(name)
        error = refusal(_ask(method, address + query), 400, "unknown_parameter")
        assert error["details"]["unknown"] == ["no_such"], (name, method)
        assert error["details"]["known"] == sorted(_parameters(method, address)), (name, method)
        assert all(known in error["message"] for known in error["details"]["known"])


def test_unknown_field_is_refused(world: World) -> None:  # noqa: F811
    for name, method in OPERATIONS:
        if name not in ("import-pieces", "recording-pieces"):  # these take bytes
            refusal(_ask(method, world.address(name), {"no_such": None}), 400, "unknown_field")


def test_empty_or_doubled_parameter_is_refused(world: World) -> None:  # noqa: F811
    for name, method in OPERATIONS:
        address = world.address(name)
        for known in _parameters(method, address):
            for query in (f"?{known}=", f"?{known}=1&{known}=2"):
                error = refusal(_ask(method, address + query), 400, "validation_error")
                assert known in error["details"]["fields"], (name, method)


@pytest.mark.parametrize("field", ["search", "name", "label_", "Query"])
def test_a_misspelt_filter_does_not_list_everybody(api: Caller, field: str) -> None:
    error = refusal(api.get(PERSONS, {field: "x"}), 400, "unknown_parameter")
    assert "query" in error["details"]["known"]


def test_a_body_without_fields_takes_none(api: Caller) -> None:
    person = make_person()
    address = f"{PERSONS}/{person.pk}/erase"
    for body, kind in ((b"x=1", "application/x-www-form-urlencoded"), (b"[1]", "application/json")):
        refusal(api.send(address, body, kind), 400, "unknown_field")
    good(api.send(address, b"", ""))


def test_what_was_answered_may_be_sent_back(world: World) -> None:  # noqa: F811
    """With read-only fields such as its id and its times."""
    for name in ("person", "collection", "camera", "webhook", "event"):
        address = world.address(name)
        told = good(_ask("GET", address))
        again = good(_ask("PATCH", address, told))
        assert again["id"] == told["id"] == str(world.ids[name])


def test_a_person_does_not_move_to_another_collection(api: Caller, world: World) -> None:  # noqa: F811
    address = world.address("person")
    other = str(world.ids["admin_collection"])
    refusal(api.patch(address, {"collection": other}), 409, "different_collections")
    good(api.patch(address, {"collection": str(world.collection.pk)}))


def test_a_person_may_be_added_inactive(api: Caller, world: World) -> None:  # noqa: F811
    body = {"name": "Ann", "collection": str(world.collection.pk), "is_active": False}
    assert good(api.post(PERSONS, body), 201)["is_active"] is False


def test_empty_field_of_a_form_is_refused(api: Caller) -> None:
    answer = api.post("/api/v1/detect", {"image": "x", "max_faces": ""}, format="multipart")
    error = refusal(answer, 400, "validation_error")
    assert "max_faces" in error["details"]["fields"]
