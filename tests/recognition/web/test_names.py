"""A name has at least one visible character."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import User
from accounts.names import is_visible
from tests.answers import good, refusal
from tests.callers import with_key
from tests.factories import make_collection, make_event, make_person

INVISIBLE = [
    "\u200b",
    "\u202e\u202c",
    "\u2066 \u2069",
    "\u3164",
    "\u0301",
    "\u00ad\ufeff",
    "\u2800",
]
API = "/api/v1"


@pytest.mark.parametrize("name", INVISIBLE)
def test_what_nobody_sees_is_no_name(name: str) -> None:
    assert not is_visible(name)


@pytest.mark.parametrize("name", ["Ann", "7", "李", "🙂", "-", "\u202eAnn", "அ"])
def test_what_is_seen_is_a_name(name: str) -> None:
    assert is_visible(name)


@pytest.mark.django_db
@pytest.mark.parametrize("name", INVISIBLE)
@pytest.mark.parametrize(
    ("address", "body"),
    [
        ("persons", {}),
        ("persons", {"labels": True}),
        ("persons", {"external_id": True}),
        ("collections", {}),
        ("cameras", {}),
        ("api-keys", {"scopes": ["detect"]}),
    ],
)
def test_invisible_name_is_refused_by_rest(address: str, body: dict[str, Any], name: str) -> None:
    make_collection()
    sent: dict[str, Any] = {"name": name} | body
    if body.get("labels"):
        sent |= {"name": "Ann", "labels": [name]}
    if body.get("external_id"):
        sent |= {"name": "Ann", "external_id": name}
    refusal(with_key().post(f"{API}/{address}", sent), 400, "validation_error")


@pytest.mark.django_db
def test_invisible_name_is_refused_where_a_row_is_changed() -> None:
    person, api = make_person(), with_key()
    refusal(api.patch(f"{API}/persons/{person.pk}", {"name": "\u200b"}), 400, "validation_error")
    event = make_event(person.collection)
    body = {"name": "\u200b"}
    refusal(api.post(f"{API}/events/{event.pk}/enrol", body), 400, "validation_error")
    good(api.patch(f"{API}/persons/{person.pk}", {"name": "Ann"}))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("page", "form"),
    [
        ("people/person", {"metadata": "{}", "consent": "unknown"}),
        ("people/collection", {}),
        ("cameras/camera", {"kind": "browser"}),
        ("accounts/apikey", {"scopes": ["detect"]}),
    ],
)
def test_invisible_name_is_refused_by_the_admin(
    administrator: Any, page: str, form: dict[str, Any]
) -> None:
    answer = administrator.post(f"/admin/{page}/add/", {"name": "\u3164", **form})
    assert "no character that can be seen" in answer.content.decode()


@pytest.mark.django_db
def test_invisible_user_name_is_refused(administrator: Any) -> None:
    form = {"username": "\u3164", "role": "viewer", "password1": "s3cret-pass", "password2": "s3cret-pass"}  # fmt: skip  # noqa: E501
    answer = administrator.post("/admin/accounts/user/add/", form)
    assert answer.status_code == 200
    assert not User.objects.filter(username="\u3164").exists()
