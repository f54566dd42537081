"""Events in the admin: seen, filtered, reviewed, deleted, and their faces enrolled."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry
from recognition.events.models import Event
from recognition.people.models import Collection, Negative, Person
from recognition.people.services.enrolment import image_move
from tests.factories import ACTOR, enrol, make_camera, make_collection, make_event, make_person
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
        assert "nobody to compare with" in text
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
        """Without its tables of time zones, MariaDB cannot convert to the time of Berlin."""
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
        assert "Nobody known" in text

    def test_event_of_an_erased_person_shows_no_name(
        self, viewer: Client, operator: Client, person: Person
    ) -> None:
        event = make_event(person=person)
        act(operator, "people_person", "erase_people", person, confirmed="yes")
        for url in (address(f"{MODEL}_change", event.pk), address(f"{MODEL}_changelist")):
            text = page(viewer.get(url))
            assert "Erased" in text
            assert "Ann Example" not in text
        assert "Erased" in page(viewer.get(address("index")))

    def test_event_page_shows_the_matched_photo_and_the_box(
        self, viewer: Client, person: Person
    ) -> None:
        image = enrol(person, 1)[0]
        template = image.templates.get()
        event = make_event(person=person, template_id=template.pk, box=(0.25, 0.1, 0.5, 0.5))
        text = page(viewer.get(address(f"{MODEL}_change", event.pk)))
        assert f"/api/v1/images/{image.pk}/file" in text
        assert 'data-box="0.25,0.1,0.5,0.5"' in text

    def test_photo_that_was_moved_away_is_not_shown_as_the_match(
        self, viewer: Client, person: Person
    ) -> None:
        image = enrol(person, 1)[0]
        event = make_event(person=person, template_id=image.templates.get().pk)
        image_move(image=image, person=make_person(person.collection), name="", actor=ACTOR)
        text = page(viewer.get(address(f"{MODEL}_change", event.pk)))
        assert "The photo that matched is gone" in text

    def test_event_page_leads_to_its_neighbours_in_the_filtered_list(
        self, viewer: Client, person: Person
    ) -> None:
        older, event, other, newer = (make_event(person=person) for _ in range(4))
        Event.objects.filter(pk=other.pk).update(decision="ambiguous")
        url = address(f"{MODEL}_change", event.pk)
        every = viewer.get(url).context
        assert (every["newer"], every["older"]) == (other.pk, older.pk)
        query = {"_changelist_filters": "decision__exact=match"}
        matches = viewer.get(url, query).context
        assert (matches["newer"], matches["older"]) == (newer.pk, older.pk)
        wrong = {"_changelist_filters": "nonsense__exact=1"}
        assert viewer.get(url, wrong).context["newer"] == other.pk

    def test_event_that_was_named_by_hand_claims_no_similarity(
        self, viewer: Client, person: Person
    ) -> None:
        for similarity in (None, 0.2):
            event = make_event(person=person, similarity=similarity)
            for url in (address(f"{MODEL}_change", event.pk), address(f"{MODEL}_changelist")):
                text = page(viewer.get(url))
                assert "named by hand" in text
                assert "nobody to compare with" not in text
            event.delete()

    def test_closed_event_is_not_said_to_be_in_front_of_the_camera(
        self, viewer: Client, person: Person
    ) -> None:
        event = make_event(person=person, quality=0.7123456789012345)
        Event.objects.filter(pk=event.pk).update(is_open=False)
        text = page(viewer.get(address(f"{MODEL}_change", event.pk)))
        assert "0.71" in text
        for wrong in ("in front of the camera", "still there", "0.712345"):
            assert wrong not in text

    def test_event_cannot_be_added_by_hand(self, administrator: Client) -> None:
        assert administrator.get(address(f"{MODEL}_add")).status_code == 403


class TestActions:
    def test_rejecting_says_what_it_does_and_is_undone(
        self, operator: Client, person: Person
    ) -> None:
        events = [make_event(person=person) for _ in range(2)]
        Event.objects.filter(pk=events[0].pk).update(review="confirmed")
        (message,) = told(act(operator, MODEL, "reject_events", *events))
        assert "Rejected: 2 events of Ann Example" in message
        assert "will not get that name" in message
        assert address(f"{MODEL}_undo_review") in message
        assert Negative.objects.count() == 2
        assert "Not Ann Example" in page(operator.get(address(f"{MODEL}_changelist")))
        operator.post(address(f"{MODEL}_undo_review"))
        reviews = dict(Event.objects.values_list("pk", "review"))
        assert reviews == {events[0].pk: "confirmed", events[1].pk: "none"}
        assert not Negative.objects.exists()
        # A second press finds nothing to undo.
        operator.post(address(f"{MODEL}_undo_review"))
        assert dict(Event.objects.values_list("pk", "review")) == reviews

    def test_rejecting_an_event_without_a_name_takes_none_away(
        self, operator: Client, collection: Collection
    ) -> None:
        (message,) = told(act(operator, MODEL, "reject_events", make_event(collection, number=5)))
        assert "There was no name to remove" in message

    def test_confirming_several_events_names_the_people(
        self, operator: Client, person: Person
    ) -> None:
        events = [make_event(person=person) for _ in range(2)]
        (message,) = told(act(operator, MODEL, "confirm_events", *events))
        assert message.startswith("Confirmed: 2 events of Ann Example.")
        assert set(Event.objects.values_list("review", flat=True)) == {"confirmed"}

    @pytest.mark.parametrize("review", ["confirmed", "rejected", "none"])
    def test_buttons_of_the_event_page_review_it(
        self, operator: Client, person: Person, review: str
    ) -> None:
        event = make_event(person=person)
        url = address(f"{MODEL}_review", event.pk)
        here = address(f"{MODEL}_change", event.pk)
        answer = operator.post(url, {"review": review, "next": here})
        assert answer["Location"] == here
        event.refresh_from_db()
        assert event.review == review
        assert AuditEntry.objects.get(action="event.review").details == {"review": review}

    def test_review_leads_to_no_other_site_and_takes_no_nonsense(
        self, operator: Client, person: Person
    ) -> None:
        event = make_event(person=person)
        url = address(f"{MODEL}_review", event.pk)
        answer = operator.post(url, {"review": "nonsense", "next": "https://example.com/"})
        assert answer["Location"] == address(f"{MODEL}_change", event.pk)
        event.refresh_from_db()
        assert event.review == "none"

    def test_deleting_several_events_is_confirmed_and_audited(
        self, operator: Client, person: Person
    ) -> None:
        event = make_event(person=person)
        text = page(act(operator, MODEL, "delete_selected", event))
        assert "They are deleted for good" in text
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
        url = address(f"{MODEL}_review", event.pk)
        assert viewer.post(url, {"review": "confirmed"}).status_code == 403
        event.refresh_from_db()
        assert event.review == "none"
