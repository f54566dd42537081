"""Events in the admin: seen, filtered, reviewed, deleted, and their faces enrolled."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry
from recognition.events.models import Event
from recognition.people.models import Collection, FaceImage, Person
from tests.factories import enrol, make_camera, make_collection, make_event, make_person
from tests.recognition.admin_pages import act, address, page, told

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("engine")]
MODEL = "events_event"


def listed(client: Client, **query: Any) -> set[Event]:
    answer = client.get(address(f"{MODEL}_changelist"), query)
    page(answer)
    return set(answer.context["cl"].result_list)


class TestList:
    def test_event_list_shows_person_camera_and_decision(
        self, viewer: Client, person: Person
    ) -> None:
        camera = make_camera(person.collection, name="Front door")
        event = make_event(person=person, camera=camera)
        make_event(person.collection, number=5, face_jpeg=None, similarity=None)
        text = page(viewer.get(address(f"{MODEL}_changelist")))
        assert f"/api/v1/events/{event.pk}/face" in text
        for told_of in ("Ann Example", "Front door", "0.80 (needs 0.40)", "Match", "Unknown"):
            assert told_of in text
        assert "nobody enrolled" in text
        assert "no picture" in text

    def test_event_list_is_filtered_by_each_field(self, viewer: Client, person: Person) -> None:
        camera = make_camera(person.collection)
        known = make_event(person=person, camera=camera)
        unknown = make_event(make_collection(), number=5)
        Event.objects.filter(pk=unknown.pk).update(review="confirmed")
        assert listed(viewer) == {known, unknown}
        assert listed(viewer, decision__exact="match") == {known}
        assert listed(viewer, collection__id__exact=person.collection_id) == {known}
        assert listed(viewer, camera__id__exact=camera.pk) == {known}
        assert listed(viewer, review__exact="confirmed") == {unknown}
        assert listed(viewer, q="ann") == {known}

    def test_event_list_is_filtered_by_date(self, viewer: Client, collection: Collection) -> None:
        now = timezone.now()
        old = now - timedelta(days=400)
        new, before = make_event(collection), make_event(collection, started_at=old, at=old)
        assert listed(viewer, started_at__year=now.year) == {new}
        assert listed(viewer, started_at__year=old.year, started_at__month=old.month) == {before}
        assert listed(viewer, started_at_from_0=f"{now:%Y-%m-%d}") == {new}
        assert listed(viewer, started_at_to_0=f"{old:%Y-%m-%d}") == {before}
        limits = {"started_at_to_0": f"{old:%Y-%m-%d}", "started_at_to_1": f"{old:%H:%M:%S}"}
        assert listed(viewer, **limits) <= {before}
        assert listed(viewer, started_at_from_0="2026-06-31", started_at_to_0="x") == {new, before}

    def test_event_list_works_in_another_time_zone(
        self, viewer: Client, collection: Collection, settings: Any
    ) -> None:
        """MariaDB without its tables of time zones cannot tell days of Berlin."""
        settings.TIME_ZONE = "Europe/Berlin"
        event = make_event(collection)
        assert listed(viewer) == {event}
        page(viewer.get(address(f"{MODEL}_changelist")))

    def test_event_list_has_as_many_queries_for_more_events(
        self, viewer: Client, person: Person, django_assert_max_num_queries: Any
    ) -> None:
        for _ in range(10):
            make_event(person=person)
        with django_assert_max_num_queries(16):
            page(viewer.get(address(f"{MODEL}_changelist")))


class TestOne:
    def test_event_page_shows_pictures_and_decision(self, viewer: Client, person: Person) -> None:
        event = make_event(person=person)
        text = page(viewer.get(address(f"{MODEL}_change", event.pk)))
        assert f"/api/v1/events/{event.pk}/snapshot" in text
        assert f"/api/v1/events/{event.pk}/face" in text
        assert address("people_person_change", person.pk) in text
        assert "1 in 100,000 comparisons of strangers" in text
        assert 'name="_save"' not in text

    def test_event_page_without_person_and_pictures_says_so(
        self, viewer: Client, collection: Collection
    ) -> None:
        event = make_event(
            collection, snapshot_jpeg=None, face_jpeg=None, similarity=None, fmr=None
        )
        text = page(viewer.get(address(f"{MODEL}_change", event.pk)))
        assert "nobody known" in text

    def test_event_of_an_erased_person_shows_no_name(
        self, viewer: Client, operator: Client, person: Person
    ) -> None:
        event = make_event(person=person)
        act(operator, "people_person", "erase_people", person, confirmed="yes")
        for url in (address(f"{MODEL}_change", event.pk), address(f"{MODEL}_changelist")):
            text = page(viewer.get(url))
            assert "erased" in text
            assert "Ann Example" not in text
        assert "Erased" in page(viewer.get(address("index")))

    def test_event_form_saves_the_review_only(self, operator: Client, person: Person) -> None:
        event = make_event(person=person)
        Event.objects.filter(pk=event.pk).update(similarity=0.95)  # a camera went on meanwhile
        values = {"review": "confirmed", "decision": "unknown", "person": ""}
        answer = operator.post(address(f"{MODEL}_change", event.pk), values)
        assert answer.status_code == 302
        event.refresh_from_db()
        assert (event.review, event.decision, event.similarity) == ("confirmed", "match", 0.95)
        assert event.person == person
        assert AuditEntry.objects.filter(action="event.review").count() == 1

    def test_event_cannot_be_added_by_hand(self, administrator: Client) -> None:
        assert administrator.get(address(f"{MODEL}_add")).status_code == 403


class TestActions:
    @pytest.mark.parametrize(
        ("action", "review"), [("confirm_events", "confirmed"), ("reject_events", "rejected")]
    )
    def test_review_of_several_events_is_stored(
        self, operator: Client, person: Person, action: str, review: str
    ) -> None:
        events = [make_event(person=person) for _ in range(2)]
        assert told(act(operator, MODEL, action, *events)) == ["2 reviewed."]
        assert set(Event.objects.values_list("review", flat=True)) == {review}

    def test_deleting_several_events_is_confirmed_and_audited(
        self, operator: Client, person: Person
    ) -> None:
        event = make_event(person=person)
        text = page(act(operator, MODEL, "delete_selected", event))
        assert "They go for good" in text
        act(operator, MODEL, "delete_selected", event, confirmed="yes")
        assert not Event.objects.exists()
        assert AuditEntry.objects.filter(action="event.delete").exists()

    def test_deleting_one_event_removes_it(self, operator: Client, person: Person) -> None:
        event = make_event(person=person)
        url = address(f"{MODEL}_delete", event.pk)
        page(operator.get(url))
        assert operator.post(url, {"post": "yes"}).status_code == 302
        assert not Event.objects.exists()

    def test_viewer_can_neither_review_nor_delete_events(
        self, viewer: Client, person: Person
    ) -> None:
        event = make_event(person=person)
        for action in ("confirm_events", "reject_events", "delete_selected"):
            act(viewer, MODEL, action, event, confirmed="yes")
        event.refresh_from_db()
        assert event.review == "none"
        assert viewer.post(address(f"{MODEL}_change", event.pk), {"review": "confirmed"})
        event.refresh_from_db()
        assert event.review == "none"


class TestEnrol:
    def test_event_page_leads_to_enrolment(self, operator: Client, collection: Collection) -> None:
        event = make_event(collection, number=3)
        url = address(f"{MODEL}_enrol", event.pk)
        assert operator.get(address(f"{MODEL}_enrol_face", event.pk))["Location"] == url
        assert f"/api/v1/events/{event.pk}/face" in page(operator.get(url))

    def test_enrolling_an_event_as_a_new_person_adds_the_person(
        self, operator: Client, collection: Collection
    ) -> None:
        event = make_event(collection, number=3)
        answer = operator.post(address(f"{MODEL}_enrol", event.pk), {"name": "Zoë", "person": ""})
        person = Person.objects.get()
        assert answer["Location"] == address("people_person_change", person.pk)
        assert told(answer) == ["The face is enrolled as Zoë."]
        event.refresh_from_db()
        assert event.person == person

    def test_enrolling_an_event_as_a_known_person_adds_an_image(
        self, operator: Client, person: Person
    ) -> None:
        event = make_event(person.collection, number=3)
        operator.post(address(f"{MODEL}_enrol", event.pk), {"name": "", "person": person.pk})
        assert person.images.count() == 1
        assert Person.objects.count() == 1

    def test_enrolling_an_event_that_is_refused_keeps_the_form(
        self, operator: Client, person: Person
    ) -> None:
        enrol(person, 3)
        event = make_event(person.collection, number=3)
        answer = operator.post(address(f"{MODEL}_enrol", event.pk), {"name": "Another"})
        text = page(answer)
        assert "looks like another person" in text
        assert 'value="Another"' in text
        assert Person.objects.count() == 1

    @pytest.mark.parametrize("both", [False, True])
    def test_enrolling_an_event_takes_a_name_or_a_person(
        self, operator: Client, person: Person, both: bool
    ) -> None:
        event = make_event(person.collection, number=3)
        values = {"name": "x", "person": str(person.pk)} if both else {}
        text = page(operator.post(address(f"{MODEL}_enrol", event.pk), values))
        assert "Give a name, or choose a person." in text

    def test_enrolling_an_event_as_a_person_of_another_collection_is_refused(
        self, operator: Client, person: Person
    ) -> None:
        event = make_event(make_collection(), number=3)
        values = {"person": person.pk}
        assert "valid choice" in page(operator.post(address(f"{MODEL}_enrol", event.pk), values))

    def test_enrol_form_searches_people_by_name(self, operator: Client, person: Person) -> None:
        make_person(person.collection, name="Bob")
        query = {
            "app_label": "events",
            "model_name": "event",
            "field_name": "person",
            "term": "ann",
        }
        found = operator.get(address("autocomplete"), query).json()["results"]
        assert [row["text"] for row in found] == ["Ann Example"]

    def test_viewer_cannot_enrol_an_event(self, viewer: Client, collection: Collection) -> None:
        event = make_event(collection, number=3)
        answer = viewer.post(address(f"{MODEL}_enrol", event.pk), {"name": "x"})
        assert answer.status_code == 403
        assert not FaceImage.objects.exists()
        assert "enrol-face" not in page(viewer.get(address(f"{MODEL}_change", event.pk)))
