"""Common parts of all pages of the admin: headings, empty lists, and texts to copy."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.test import Client

from recognition.people.models import Collection, Person
from tests.factories import enrol, make_camera, make_event, make_person
from tests.recognition.admin_pages import act, address, page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("engine")]
OURS = [
    f"{model._meta.app_label}_{model._meta.model_name}"
    for model in admin.site._registry
    if model.__module__.startswith(("recognition.", "accounts."))
]


@pytest.mark.parametrize("model", sorted(OURS))
def test_empty_list_says_what_to_do(administrator: Client, model: str) -> None:
    answer = administrator.get(address(f"{model}_changelist"), {"q": "nothing-is-called-so"})
    text = page(answer)
    assert "yielded" not in text
    if answer.context["cl"].search_fields:
        assert "Nothing matches" in text
        assert "Show all" in text
    elif not answer.context["cl"].result_count:
        assert answer.context["cl"].model_admin.when_empty in text


def test_empty_list_without_a_search_names_the_first_step(administrator: Client) -> None:
    text = page(administrator.get(address("people_person_changelist")))
    assert "drop a photo on Try it" in text
    assert f'href="{address("people_person_add")}"' in text


def test_pages_about_people_name_them_in_a_heading(
    operator: Client, person: Person, collection: Collection
) -> None:
    other = make_person(collection, name="Bob")
    photos = page(operator.get(address("people_person_photos", person.pk)))
    assert "Photos of Ann Example</h1>" in photos
    for action, word in (("merge_people", "Merge"), ("erase_people", "Erase everything about")):
        text = page(act(operator, "people_person", action, person, other))
        assert f"{word} Bob, Ann Example</h1>" in text
    text = page(operator.get(address("people_collection_measured", collection.pk)))
    assert "Thresholds and training of Main</h1>" in text


def test_person_page_shows_labels_and_visits(operator: Client, person: Person) -> None:
    Person.objects.filter(pk=person.pk).update(labels=["staff", "vip"])
    enrol(person, 1)
    event = make_event(person=person, camera=make_camera(person.collection, name="Door"))
    text = page(operator.get(address("people_person_change", person.pk)))
    assert "<li>staff</li><li>vip</li>" in text
    assert "fr-cover" in text
    assert address("events_event_change", event.pk) in text
    assert "Door, 0.80 (needs 0.40)" in text


def test_new_key_can_be_copied_with_a_line_to_try_it(administrator: Client) -> None:
    values: dict[str, Any] = {"name": "Door", "scopes": ["identify"], "collection_id": ""}
    text = page(administrator.post(address("accounts_apikey_add"), values))
    assert "API key Door</h1>" in text
    assert 'data-copy="secret"' in text
    assert "curl -H &quot;Authorization: Bearer frk_" in text or 'curl -H "Authorization' in text
    assert "http://testserver/api/v1/me" in text
