"""People: added, read, changed, merged, erased."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest

from recognition.events.models import Event
from recognition.people.models import Collection, FaceImage, Person, Template
from tests.answers import good, refusal
from tests.callers import Caller
from tests.factories import enrol, make_collection, make_event, make_person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("engine")]
PERSONS = "/api/v1/persons"


def add(api: Caller, **values: Any) -> Any:
    return api.post(PERSONS, {"name": "Ann", **values})


def files_in(folder: str) -> list[Path]:
    return [path for path in Path(folder).rglob("*") if path.is_file()]


class TestAdd:
    def test_person_is_added_with_every_field(self, api: Caller, collection: Collection) -> None:
        values = {
            "name": "Żółć 李 <b>",
            "external_id": "hr-17",
            "metadata": {"room": 5, "tags": ["a", None, {"b": 1.5}]},
            "labels": ["staff", "vip"],
            "consent": "given",
            "consent_at": "2026-01-31",
        }
        body = good(api.post(PERSONS, values), 201)
        assert body | values == body
        assert body["collection"] == str(collection.pk)
        assert body["is_active"] is True
        assert good(api.get(f"{PERSONS}/{body['id']}")) == body

    def test_person_added_by_name_has_the_defaults(
        self, api: Caller, collection: Collection
    ) -> None:
        body = good(add(api), 201)
        assert (body["metadata"], body["labels"], body["external_id"]) == ({}, [], None)
        assert (body["consent"], body["consent_at"]) == ("unknown", None)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("name", ""),
            ("name", "x" * 201),
            ("name", "a\0b"),
            ("name", None),
            ("external_id", "x" * 129),
            ("metadata", [1]),
            ("metadata", {"a": "x" * 17_000}),
            ("labels", "staff"),
            ("labels", ["x" * 65]),
            ("labels", ["x"] * 51),
            ("consent", "yes"),
            ("consent_at", "31.1.2026"),
            ("collection", "main"),
        ],
    )
    def test_adding_a_person_with_an_invalid_field_is_refused(
        self, api: Caller, collection: Collection, field: str, value: object
    ) -> None:
        error = refusal(add(api, **{field: value}), 400, "validation_error")
        assert field in error["details"]["fields"]
        assert not Person.objects.exists()

    @pytest.mark.parametrize(
        ("value", "code"),
        [
            ("NaN", "parse_error"),
            ("1e999", "validation_error"),
            ('"\\ud800"', "validation_error"),
        ],
    )
    def test_metadata_that_no_database_can_store_is_refused(
        self, api: Caller, collection: Collection, value: str, code: str
    ) -> None:
        body = f'{{"name": "Ann", "metadata": {{"a": {value}}}}}'
        answer = api.send(PERSONS, body.encode(), "application/json")
        refusal(answer, 400, code)
        assert not Person.objects.exists()

    def test_adding_a_person_needs_a_clear_collection(
        self, api: Caller, collection: Collection
    ) -> None:
        other = make_collection()
        refusal(add(api), 400, "collection_required")
        assert good(add(api, collection=other.pk), 201)["collection"] == str(other.pk)
        refusal(add(api, collection=uuid.uuid4()), 404, "not_found")

    def test_external_id_is_unique_in_a_collection(
        self, api: Caller, collection: Collection
    ) -> None:
        other = make_collection()
        good(add(api, collection=collection.pk, external_id="A"), 201)
        refusal(add(api, collection=collection.pk, external_id="A"), 409, "external_id_taken")
        good(add(api, collection=other.pk, external_id="A"), 201)
        # Different ids for the other system, whatever the collation of the database says.
        good(add(api, collection=collection.pk, external_id="a"), 201)


class TestRead:
    def test_unknown_person_is_answered_404(self, api: Caller) -> None:
        refusal(api.get(f"{PERSONS}/{uuid.uuid4()}"), 404, "not_found")

    def test_persons_are_listed_newest_first(self, api: Caller, collection: Collection) -> None:
        people = [make_person(collection) for _ in range(3)]
        listed = [row["id"] for row in good(api.get(PERSONS))["results"]]
        assert listed == [str(person.pk) for person in reversed(people)]

    def test_persons_are_filtered_by_each_parameter(
        self, api: Caller, collection: Collection
    ) -> None:
        ann = make_person(collection, name="Ann Example", external_id="x-1")
        bob = make_person(name="Bob", external_id="x-2")

        def found(**query: Any) -> set[str]:
            return {row["id"] for row in good(api.get(PERSONS, query))["results"]}

        assert found(query="example") == {str(ann.pk)}
        assert found(query="x-") == {str(ann.pk), str(bob.pk)}
        assert found(external_id="x-2") == {str(bob.pk)}
        assert found(collection=collection.pk) == {str(ann.pk)}
        assert found(query="nobody") == set()
        refusal(api.get(PERSONS, {"collection": uuid.uuid4()}), 404, "not_found")
        refusal(api.get(PERSONS, {"collection": "x"}), 400, "validation_error")


class TestChange:
    def test_change_of_a_person_keeps_its_other_fields(self, api: Caller, person: Person) -> None:
        body = good(api.patch(f"{PERSONS}/{person.pk}", {"labels": ["vip"], "is_active": False}))
        assert (body["name"], body["labels"], body["is_active"]) == (person.name, ["vip"], False)
        assert body["updated_at"] > body["created_at"]

    def test_external_id_can_be_removed(self, api: Caller, person: Person) -> None:
        good(api.patch(f"{PERSONS}/{person.pk}", {"external_id": "x"}))
        assert (
            good(api.patch(f"{PERSONS}/{person.pk}", {"external_id": None}))["external_id"] is None
        )

    def test_change_of_a_person_to_invalid_values_is_refused(
        self, api: Caller, person: Person
    ) -> None:
        make_person(person.collection, external_id="x")
        address = f"{PERSONS}/{person.pk}"
        refusal(api.patch(address, {"external_id": "x"}), 409, "external_id_taken")
        refusal(api.patch(address, {"name": ""}), 400, "validation_error")
        refusal(api.patch(f"{PERSONS}/{uuid.uuid4()}", {"name": "x"}), 404, "not_found")

    def test_person_cannot_change_the_collection(self, api: Caller, person: Person) -> None:
        other = make_collection()
        address = f"{PERSONS}/{person.pk}"
        refusal(api.patch(address, {"collection": str(other.pk)}), 409, "different_collections")
        assert good(api.get(address))["collection"] == str(person.collection_id)


class TestMerge:
    def test_merge_moves_images_and_events_to_the_person(self, api: Caller, person: Person) -> None:
        other = make_person(person.collection)
        enrol(person, 1)
        enrol(other, 2)
        event = make_event(person=other, number=2)
        body = good(api.post(f"{PERSONS}/{person.pk}/merge", {"person": other.pk}))
        assert body["id"] == str(person.pk)
        assert person.images.count() == 2
        event.refresh_from_db()
        assert event.person == person
        refusal(api.get(f"{PERSONS}/{other.pk}"), 404, "not_found")

    def test_merge_of_unfit_persons_is_refused(self, api: Caller, person: Person) -> None:
        address = f"{PERSONS}/{person.pk}/merge"
        refusal(api.post(address, {"person": person.pk}), 409, "same_person")
        elsewhere = make_person(make_collection())
        refusal(api.post(address, {"person": elsewhere.pk}), 409, "different_collections")
        refusal(api.post(address, {"person": uuid.uuid4()}), 404, "not_found")
        refusal(api.post(address, {}), 400, "validation_error")
        assert Person.objects.count() == 2


class TestErase:
    def test_erase_removes_images_templates_and_files(
        self, api: Caller, person: Person, settings: Any
    ) -> None:
        enrol(person, 1, 1)
        event = make_event(person=person)
        erased = good(api.post(f"{PERSONS}/{person.pk}/erase"))["erased"]
        assert (erased["images"], erased["templates"], erased["events"]) == (2, 2, 1)
        assert erased["files"] == 4
        assert not (Person.objects.exists() or FaceImage.objects.exists())
        assert not Template.objects.exists()
        assert files_in(settings.MEDIA_ROOT) == []
        event = Event.objects.get(pk=event.pk)
        assert (event.person, event.vector, bool(event.face)) == (None, None, False)

    def test_delete_of_a_person_erases_like_erase(
        self, api: Caller, person: Person, settings: Any
    ) -> None:
        enrol(person, 1)
        assert good(api.delete(f"{PERSONS}/{person.pk}"), 204) is None
        assert files_in(settings.MEDIA_ROOT) == []
        refusal(api.delete(f"{PERSONS}/{person.pk}"), 404, "not_found")
        refusal(api.post(f"{PERSONS}/{person.pk}/erase"), 404, "not_found")
