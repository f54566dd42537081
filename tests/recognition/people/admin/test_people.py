"""People are added, changed, merged and erased in the admin."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from accounts.models import AuditEntry
from recognition.people.models import Collection, FaceImage, Person
from tests.factories import enrol, make_collection, make_event, make_person
from tests.recognition.admin_pages import act, address, errors_of, page, told

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("engine")]
MODEL = "people_person"


def values_of(collection: Collection, **changes: Any) -> dict[str, Any]:
    return {
        "collection": collection.pk,
        "name": "Zoë",
        "external_id": "",
        "labels": "",
        "metadata": "{}",
        "consent": "unknown",
        "consent_at": "",
        "is_active": "on",
    } | changes


class TestList:
    def test_people_list_shows_faces_and_fields(self, viewer: Client, person: Person) -> None:
        image = enrol(person, 1)[0]
        make_event(person=person)
        make_person(person.collection, name="Without photo")
        text = page(viewer.get(address(f"{MODEL}_changelist")))
        assert f"/api/v1/images/{image.pk}/file" in text
        assert "Ann Example" in text
        assert "no photo yet" in text

    @pytest.mark.parametrize(
        "query", ["?q=ann", "?o=5", "?o=-6", "?is_active__exact=1", "?consent__exact=given", "?p=9"]
    )
    def test_people_list_is_searched_sorted_and_filtered(
        self, viewer: Client, person: Person, query: str
    ) -> None:
        enrol(person, 1)
        answer = viewer.get(address(f"{MODEL}_changelist") + query, follow=True)
        assert answer.status_code == 200

    def test_people_list_has_as_many_queries_for_more_people(
        self, viewer: Client, collection: Collection, django_assert_max_num_queries: Any
    ) -> None:
        for _ in range(12):
            make_person(collection)
        with django_assert_max_num_queries(14):
            page(viewer.get(address(f"{MODEL}_changelist")))


class TestAdd:
    def test_adding_a_person_leads_to_the_photos(
        self, operator: Client, collection: Collection
    ) -> None:
        values = values_of(collection, labels="staff,  vip ,", metadata='{"room": 5}')
        answer = operator.post(address(f"{MODEL}_add"), values)
        person = Person.objects.get()
        assert answer["Location"] == address(f"{MODEL}_photos", person.pk)
        assert (person.labels, person.metadata) == (["staff", "vip"], {"room": 5})
        assert person.external_id is None
        assert AuditEntry.objects.filter(action="person.create").exists()
        assert not LogEntry.objects.exists()  # it would keep the name when the person is erased

    @pytest.mark.parametrize(
        ("change", "error"),
        [
            ({"name": ""}, "required"),
            ({"metadata": "[1]"}, "JSON object"),
            ({"metadata": "{"}, "valid JSON"),
            ({"metadata": '{"a": 1e999}'}, "cannot be stored"),
            ({"labels": "x" * 65}, "64 characters"),
            ({"labels": ",".join("abcdefghijklmnopqrstuvwxyz" * 2)}, "50 labels"),
            ({"external_id": "x" * 129}, "128"),
            ({"consent_at": "soon"}, "valid date"),
        ],
    )
    def test_adding_a_person_names_invalid_fields(
        self, operator: Client, collection: Collection, change: dict, error: str
    ) -> None:
        answer = operator.post(address(f"{MODEL}_add"), values_of(collection, **change))
        assert error in errors_of(answer)
        assert not Person.objects.exists()

    def test_adding_a_person_that_is_refused_keeps_the_form(
        self, operator: Client, person: Person
    ) -> None:
        make_person(person.collection, external_id="x-1")
        values = values_of(person.collection, external_id="x-1")
        answer = operator.post(address(f"{MODEL}_add"), values)
        assert errors_of(answer)
        assert 'value="Zoë"' in page(answer)


class TestChange:
    def test_changed_person_is_saved_and_audited(self, operator: Client, person: Person) -> None:
        values = values_of(person.collection, name="Ann B.", labels="vip")
        answer = operator.post(address(f"{MODEL}_change", person.pk), values)
        assert answer.status_code == 302, errors_of(answer)
        person.refresh_from_db()
        assert (person.name, person.labels) == ("Ann B.", ["vip"])
        entry = AuditEntry.objects.get(action="person.update")
        assert entry.details == {"changed": ["labels", "name"]}
        assert not LogEntry.objects.exists()

    def test_saving_a_person_unchanged_writes_nothing(
        self, operator: Client, person: Person
    ) -> None:
        values = values_of(person.collection, name=person.name)
        assert operator.post(address(f"{MODEL}_change", person.pk), values).status_code == 302
        assert not AuditEntry.objects.filter(action="person.update").exists()

    def test_refused_change_of_a_person_is_shown_on_the_form(
        self, operator: Client, person: Person
    ) -> None:
        """Unique together with the collection, which the form lacks: only the service checks it."""
        make_person(person.collection, external_id="x-1")
        values = values_of(person.collection, external_id="x-1")
        answer = operator.post(address(f"{MODEL}_change", person.pk), values)
        assert "Another person" in errors_of(answer)
        person.refresh_from_db()
        assert person.name == "Ann Example"

    def test_person_cannot_move_to_another_collection_by_form(
        self, operator: Client, person: Person
    ) -> None:
        other = make_collection()
        operator.post(address(f"{MODEL}_change", person.pk), values_of(other))
        person.refresh_from_db()
        assert person.collection.name == "Main"

    def test_person_page_shows_photos_and_buttons_by_role(
        self, viewer: Client, operator: Client, person: Person
    ) -> None:
        image = enrol(person, 1)[0]
        url = address(f"{MODEL}_change", person.pk)
        for client, may in ((viewer, False), (operator, True)):
            text = page(client.get(url))
            assert f"/api/v1/images/{image.pk}/file" in text
            assert ('type="file"' in text) is may
            assert (address(f"{MODEL}_photo_delete", person.pk, image.pk) in text) is may
            assert ("/add-photos" in text) is may

    def test_page_of_an_unknown_person_says_so(self, operator: Client, person: Person) -> None:
        for odd in ("x", "00000000-0000-7000-8000-000000000000"):
            answer = operator.get(address(f"{MODEL}_change", odd))
            assert answer.status_code == 302
            assert "exist" in told(answer)[0]


class TestErase:
    def test_erase_of_people_asks_for_confirmation(self, operator: Client, person: Person) -> None:
        enrol(person, 1)
        text = page(act(operator, MODEL, "erase_people", person))
        assert "Ann Example" in text
        assert "cannot be undone" in text
        assert Person.objects.exists()

    def test_erase_of_people_removes_persons_and_images(
        self, operator: Client, person: Person
    ) -> None:
        enrol(person, 1)
        other = make_person(person.collection)
        answer = act(operator, MODEL, "erase_people", person, other, confirmed="yes")
        assert "2 erased" in told(answer)[-1]
        assert not (Person.objects.exists() or FaceImage.objects.exists())

    def test_delete_button_erases_the_person(self, operator: Client, person: Person) -> None:
        enrol(person, 1)
        url = address(f"{MODEL}_delete", person.pk)
        assert "pictures in events" in page(operator.get(url))
        assert operator.post(url, {"post": "yes"}).status_code == 302
        assert not (Person.objects.exists() or FaceImage.objects.exists())
        assert not LogEntry.objects.exists()

    def test_viewer_can_neither_erase_nor_merge_people(
        self, viewer: Client, person: Person
    ) -> None:
        for action in ("erase_people", "merge_people", "delete_selected"):
            act(viewer, MODEL, action, person, confirmed="yes")
        assert Person.objects.exists()
        text = page(viewer.get(address(f"{MODEL}_changelist")))
        assert "erase_people" not in text


class TestMerge:
    def test_merge_of_people_asks_who_remains(self, operator: Client, person: Person) -> None:
        other = make_person(person.collection, name="Anne")
        text = page(act(operator, MODEL, "merge_people", person, other))
        assert text.count('name="into"') == 2

    def test_merge_of_people_moves_images_to_the_chosen_one(
        self, operator: Client, person: Person
    ) -> None:
        enrol(person, 1)
        others = [make_person(person.collection) for _ in range(2)]
        enrol(others[0], 2)
        fields = {"confirmed": "yes", "into": str(person.pk)}
        answer = act(operator, MODEL, "merge_people", person, *others, **fields)
        assert told(answer)[-1] == "Merged into Ann Example."
        assert list(Person.objects.all()) == [person]
        assert person.images.count() == 2

    @pytest.mark.parametrize("into", ["", "x", "00000000-0000-7000-8000-000000000000"])
    def test_merge_of_people_without_a_valid_choice_is_refused(
        self, operator: Client, person: Person, into: str
    ) -> None:
        other = make_person(person.collection)
        answer = act(operator, MODEL, "merge_people", person, other, confirmed="yes", into=into)
        assert told(answer)[-1] == "Choose who remains."
        assert Person.objects.count() == 2

    def test_merge_of_one_person_is_refused(self, operator: Client, person: Person) -> None:
        assert "at least two" in told(act(operator, MODEL, "merge_people", person))[-1]

    def test_merge_of_people_of_two_collections_is_refused(
        self, operator: Client, person: Person
    ) -> None:
        other = make_person(make_collection())
        fields = {"confirmed": "yes", "into": str(person.pk)}
        answer = act(operator, MODEL, "merge_people", person, other, **fields)
        assert "different collections" in told(answer)[-1]
        assert Person.objects.count() == 2


def test_names_with_markup_are_shown_as_text(operator: Client, person: Person) -> None:
    """Any user who may enrol can type a name, and administrators see it."""
    script = "<script>alert(1)</script>"
    Person.objects.filter(pk=person.pk).update(name=script, external_id=f'"{script}')
    person.refresh_from_db()
    enrol(person, 1)
    event = make_event(person=person)
    other = make_person(person.collection)
    answers = [
        operator.get(address(f"{MODEL}_changelist")),
        operator.get(address(f"{MODEL}_change", person.pk)),
        operator.get(address(f"{MODEL}_delete", person.pk)),
        operator.get(address(f"{MODEL}_photos", person.pk)),
        act(operator, MODEL, "erase_people", person),
        act(operator, MODEL, "merge_people", person, other),
        operator.get(address("events_event_changelist")),
        operator.get(address("events_event_change", event.pk)),
        operator.get(address("index")),
        operator.get("/live/"),
    ]
    for answer in answers:
        text = page(answer)
        assert script not in text, answer.request["PATH_INFO"]
