"""Reads, limited to what a caller may see."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.access import NOBODY, Access
from recognition.cameras.models import Camera
from recognition.cameras.selectors import camera_by_id, cameras_visible
from recognition.events.models import Event
from recognition.events.payloads import event_payload
from recognition.events.selectors import counts, event_by_id, events_list
from recognition.people import selectors
from recognition.people.api.serializers.persons import ImageSerializer, PersonSerializer
from recognition.people.models import Collection, FaceImage, Person
from recognition.web.errors import ServiceError
from recognition.web.identifiers import uuid7
from tests.factories import (
    enrol,
    make_access,
    make_camera,
    make_collection,
    make_event,
    make_person,
)
from tests.fakes import FakeEngine

pytestmark = pytest.mark.django_db


class _World:
    """The same rows in two collections. A caller may see both, only the first, or nothing."""

    def __init__(self) -> None:
        self.collections = [make_collection(), make_collection()]
        self.people = [make_person(collection) for collection in self.collections]
        self.images = [enrol(person, 1)[0] for person in self.people]
        self.cameras = [make_camera(collection) for collection in self.collections]
        self.events = [make_event(person=person) for person in self.people]
        self.everybody = make_access()
        self.first = make_access(collection=self.collections[0])


@pytest.fixture
def world(engine: FakeEngine) -> _World:
    return _World()


_LISTS: list[tuple[str, Callable[[Access], Any]]] = [
    ("collections", selectors.collections_visible),
    ("people", selectors.persons_list),
    ("images", selectors.images_list),
    ("cameras", cameras_visible),
    ("events", events_list),
]
_BY_ID: list[tuple[str, Callable[[Access, Any], Any]]] = [
    ("collections", selectors.collection_by_id),
    ("people", selectors.person_by_id),
    ("images", selectors.image_by_id),
    ("cameras", camera_by_id),
    ("events", event_by_id),
]


@pytest.mark.parametrize(("kind", "rows"), _LISTS)
def test_selectors_list_only_visible_rows(world: _World, kind: str, rows: Any) -> None:
    both = getattr(world, kind)
    assert set(rows(world.everybody)) == set(both)
    assert set(rows(world.first)) == {both[0]}
    assert not rows(NOBODY)


@pytest.mark.parametrize(("kind", "by_id"), _BY_ID)
def test_selectors_find_only_visible_rows(world: _World, kind: str, by_id: Any) -> None:
    mine, others = getattr(world, kind)
    assert by_id(world.everybody, others.pk) == others
    assert by_id(world.first, mine.pk) == mine
    for access, pk in ((world.first, others.pk), (NOBODY, mine.pk), (world.everybody, uuid7())):
        with pytest.raises(ServiceError) as refused:
            by_id(access, pk)
        assert (refused.value.code, refused.value.status) == ("not_found", 404)


def test_selectors_have_a_fixed_number_of_queries(
    world: _World, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(3):
        assert PersonSerializer(selectors.persons_list(world.everybody), many=True).data
        assert ImageSerializer(selectors.images_list(world.everybody), many=True).data
        assert [event_payload(event)["person"] for event in events_list(world.everybody)]


def test_people_are_found_by_collection_name_and_external_id(access: Access) -> None:
    here, there = make_collection(), make_collection()
    ann = make_person(here, name="Ann Example", external_id="X-1")
    bea = make_person(here, name="Bea Example", external_id="y-2")
    make_person(there, name="Ann Example")

    def names(**filters: Any) -> list[Person]:
        return list(selectors.persons_list(access, collection=here, **filters))

    assert names() == [bea, ann], "newest first"
    assert names(query="ann") == [ann]
    assert names(query="-2") == [bea]
    assert names(query="nobody") == []
    assert names(external_id="X-1") == [ann]
    assert names(external_id="x-1") == []


def test_images_are_found_by_collection_and_person(world: _World) -> None:
    here, person = world.collections[0], world.people[1]

    def images(**filters: Any) -> list[FaceImage]:
        return list(selectors.images_list(world.everybody, **filters))

    assert images(collection=here) == [world.images[0]]
    assert images(person=person) == [world.images[1]]
    assert images(person=person, collection=here) == []


def test_events_are_found_by_every_filter(access: Access, collection: Collection) -> None:
    person, camera = make_person(collection), make_camera(collection)
    now = timezone.now()
    old = make_event(person=person, camera=camera, at=now - timedelta(hours=2))
    new = make_event(collection, at=now)
    Event.objects.filter(pk=old.pk).update(is_open=False, review="confirmed")

    def found(**filters: Any) -> list[Event]:
        return list(events_list(access, **filters))

    assert found() == [new, old], "newest first"
    assert found(collection=collection.pk) == [new, old]
    assert found(person=person.pk) == [old]
    assert found(camera=camera.pk) == [old]
    assert found(decision="unknown") == [new]
    assert found(review="confirmed") == [old]
    assert found(is_open=True) == [new]
    assert found(is_open=False) == [old]
    assert found(since=now - timedelta(hours=1)) == [new]
    assert found(until=now - timedelta(hours=1)) == [old]
    assert found(decision="unknown", person=person.pk) == []


@pytest.mark.parametrize("name", ["collection", "camera", "person"])
def test_events_of_hidden_rows_are_not_found(world: _World, name: str) -> None:
    others: dict[str, Any] = {
        "collection": world.collections[1],
        "camera": world.cameras[1],
        "person": world.people[1],
    }
    with pytest.raises(ServiceError) as refused:
        events_list(world.first, **{name: others[name].pk})
    assert refused.value.code == "not_found"


def test_counts_include_only_visible_rows(world: _World) -> None:
    make_event(world.collections[0])
    old = make_event(world.collections[0])
    Event.objects.filter(pk=old.pk).update(started_at=timezone.now() - timedelta(days=2))
    Camera.objects.filter(pk=world.cameras[0].pk).update(status=Camera.Status.RUNNING)
    expected = {
        "persons": 1,
        "images": 1,
        "events_today": 2,
        "unknown_today": 1,
        "cameras_running": 1,
    }
    assert counts(world.first) == expected
    assert counts(world.everybody)["persons"] == 2
    assert not any(counts(NOBODY).values())


def test_ids_sort_by_time_of_creation(access: Access, collection: Collection) -> None:
    """Lists are paged by ids, so every database must sort them in this way."""
    people = [make_person(collection, name=str(number)) for number in range(3)]
    base = [Person(pk=uuid7(), collection=collection, name=str(n)) for n in range(60)]
    assert [p.name for p in selectors.persons_list(access)] == [p.name for p in reversed(people)]
    Person.objects.bulk_create(base)
    by_database = [person.pk for person in selectors.persons_list(access)]
    assert by_database == sorted(by_database, key=lambda pk: pk.int, reverse=True)
