"""The page with the map of a collection."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from recognition.people.models import Collection
from recognition.people.services import embedding_map
from tests.factories import enrol, make_collection, make_person
from tests.recognition.admin_pages import address, page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("engine")]


def _filled(people: int) -> Collection:
    collection = make_collection()
    for number in range(people):
        enrol(make_person(collection, name=f"Person {number}"), number)
    return collection


def _map(client: Client, collection: Collection) -> str:
    return page(client.get(address("people_collection_map", collection.pk)))


def test_map_shows_each_person_once_with_a_picture_and_a_link(viewer: Client) -> None:
    collection = _filled(4)
    text = _map(viewer, collection)
    assert len(re.findall(r"<image href=", text)) == 4
    for person in collection.persons.all():
        assert text.count(f'aria-label="{person.name}"') == 1
        assert address("people_person_change", person.pk) in text
        assert str(person.images.get().pk) in text


def test_map_leaves_out_people_who_are_not_active(viewer: Client) -> None:
    collection = _filled(4)
    person = collection.persons.first()
    assert person is not None
    person.is_active = False
    person.save()
    assert f'aria-label="{person.name}"' not in _map(viewer, collection)


def test_map_of_few_people_says_how_many_it_needs(viewer: Client) -> None:
    assert "needs three people" in _map(viewer, _filled(2))


def test_map_of_a_large_collection_shows_the_newest_people(
    viewer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding_map, "MOST_PEOPLE", 3)
    text = _map(viewer, _filled(5))
    assert "The 3 people who were added last" in text
    shown = re.findall(r'aria-label="(Person \d)"', text)
    assert sorted(shown) == ["Person 2", "Person 3", "Person 4"]


def test_collection_page_leads_to_the_map(viewer: Client, collection: Collection) -> None:
    assert "Map of its people" in page(
        viewer.get(address("people_collection_change", collection.pk))
    )
    answer = viewer.get(address("people_collection_draw_map", collection.pk))
    assert answer["Location"] == address("people_collection_map", collection.pk)
