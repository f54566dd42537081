"""Events: read, filtered, shown, reviewed, deleted, and their faces enrolled."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from accounts.models import AuditEntry
from recognition.events.models import Event
from recognition.people.models import Collection, FaceImage, Person
from tests.answers import good, refusal
from tests.callers import Caller
from tests.factories import enrol, make_camera, make_collection, make_event, make_person
from tests.fakes import photo
from tests.pictures import opened

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("engine")]
EVENTS = "/api/v1/events"


def listed(api: Caller, **query: Any) -> list[str]:
    return [row["id"] for row in good(api.get(EVENTS, query))["results"]]


class TestRead:
    def test_event_of_a_match_has_person_camera_and_pictures(
        self, api: Caller, person: Person
    ) -> None:
        camera = make_camera(person.collection, name="Door")
        event = make_event(person=person, camera=camera)
        body = good(api.get(f"{EVENTS}/{event.pk}"))
        assert body["person"] == {"id": str(person.pk), "name": "Ann Example", "labels": []}
        assert body["camera"] == {"id": str(camera.pk), "name": "Door"}
        assert (body["decision"], body["review"], body["is_open"]) == ("match", "none", True)
        assert body["snapshot_url"] == f"{EVENTS}/{event.pk}/snapshot"
        assert body["face_url"] == f"{EVENTS}/{event.pk}/face"

    def test_event_of_an_unknown_face_has_no_person(
        self, api: Caller, collection: Collection
    ) -> None:
        body = good(api.get(f"{EVENTS}/{make_event(collection).pk}"))
        assert (body["person"], body["camera"], body["decision"]) == (None, None, "unknown")

    def test_events_are_listed_newest_first(self, api: Caller, collection: Collection) -> None:
        events = [make_event(collection, number=n) for n in range(3)]
        assert listed(api) == [str(event.pk) for event in reversed(events)]

    def test_events_are_filtered_by_each_parameter(self, api: Caller, person: Person) -> None:
        camera = make_camera(person.collection)
        noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
        known = make_event(person=person, camera=camera, started_at=noon, at=noon)
        later = noon + timedelta(hours=1)
        unknown = make_event(make_collection(), started_at=later, at=later)
        Event.objects.filter(pk=unknown.pk).update(is_open=False, review="rejected")
        first, second = str(known.pk), str(unknown.pk)
        assert listed(api, collection=person.collection_id) == [first]
        assert listed(api, camera=camera.pk) == [first]
        assert listed(api, person=person.pk) == [first]
        assert listed(api, decision="unknown") == [second]
        assert listed(api, review="rejected") == [second]
        assert listed(api, is_open="true") == [first]
        assert listed(api, is_open="false") == [second]
        assert listed(api, since="2026-05-01T12:30:00Z") == [second]
        assert listed(api, until="2026-05-01T12:30:00Z") == [first]
        assert listed(api) == [second, first]

    @pytest.mark.parametrize(
        "query",
        [{"decision": "maybe"}, {"since": "yesterday"}, {"camera": "x"}, {"is_open": "perhaps"}],
    )
    def test_events_refuse_an_invalid_filter(self, api: Caller, query: dict[str, str]) -> None:
        refusal(api.get(EVENTS, query), 400, "validation_error")

    @pytest.mark.parametrize("name", ["collection", "camera", "person"])
    def test_events_filtered_by_an_unknown_row_are_answered_404(
        self, api: Caller, name: str
    ) -> None:
        refusal(api.get(EVENTS, {name: uuid.uuid4()}), 404, "not_found")


class TestPictures:
    @pytest.mark.parametrize("kind", ["snapshot", "face"])
    def test_event_pictures_are_private_jpegs(self, api: Caller, person: Person, kind: str) -> None:
        event = make_event(person=person)
        answer = api.get(f"{EVENTS}/{event.pk}/{kind}")
        assert answer.status_code == 200
        assert opened(answer.content)
        assert answer["Cache-Control"] == "private, no-store"
        assert answer["X-Content-Type-Options"] == "nosniff"
        entry = AuditEntry.objects.get(action="image.view")
        assert (entry.target_type, entry.target_id) == ("event", str(event.pk))

    @pytest.mark.parametrize("kind", ["snapshot", "face"])
    def test_event_without_a_picture_is_answered_404(
        self, api: Caller, collection: Collection, kind: str
    ) -> None:
        event = make_event(collection, snapshot_jpeg=None, face_jpeg=None)
        refusal(api.get(f"{EVENTS}/{event.pk}/{kind}"), 404, "not_found")
        refusal(api.get(f"{EVENTS}/{uuid.uuid4()}/{kind}"), 404, "not_found")
        body = good(api.get(f"{EVENTS}/{event.pk}"))
        assert body[f"{kind}_url"] is None


class TestReview:
    def test_review_of_an_event_is_stored(self, api: Caller, person: Person) -> None:
        event = make_event(person=person)
        address = f"{EVENTS}/{event.pk}"
        assert good(api.patch(address, {"review": "confirmed"}))["review"] == "confirmed"
        assert good(api.get(address))["review"] == "confirmed"

    def test_review_with_an_invalid_value_is_refused(self, api: Caller, person: Person) -> None:
        event = make_event(person=person)
        address = f"{EVENTS}/{event.pk}"
        refusal(api.patch(address, {"review": "maybe"}), 400, "validation_error")
        refusal(api.patch(address, {}), 400, "validation_error")
        refusal(api.patch(f"{EVENTS}/{uuid.uuid4()}", {"review": "none"}), 404, "not_found")


def test_deleting_an_event_removes_its_pictures(api: Caller, person: Person, settings: Any) -> None:
    event = make_event(person=person)
    good(api.delete(f"{EVENTS}/{event.pk}"), 204)
    refusal(api.get(f"{EVENTS}/{event.pk}"), 404, "not_found")
    assert not [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()]


class TestEnrol:
    def test_event_is_enrolled_as_a_new_person(self, api: Caller, collection: Collection) -> None:
        event = make_event(collection, number=3)
        body = good(api.post(f"{EVENTS}/{event.pk}/enrol", {"name": "Zoë"}), 201)
        assert body["person"]["name"] == "Zoë"
        assert body["outcome"]["accepted"] is True
        named = good(api.get(f"{EVENTS}/{event.pk}"))
        assert named["person"]["id"] == body["person"]["id"]
        assert FaceImage.objects.get().source == "live"

    def test_event_is_enrolled_as_a_known_person(self, api: Caller, person: Person) -> None:
        event = make_event(person.collection, number=3)
        body = good(api.post(f"{EVENTS}/{event.pk}/enrol", {"person": person.pk}), 201)
        assert body["person"]["id"] == str(person.pk)
        assert person.images.count() == 1

    def test_event_with_a_face_of_a_known_person_is_not_enrolled_as_new(
        self, api: Caller, person: Person
    ) -> None:
        enrol(person, 3)
        event = make_event(person.collection, number=3)
        answer = api.post(f"{EVENTS}/{event.pk}/enrol", {"name": "Another"})
        refusal(answer, 422, "looks_like_another_person")
        assert Person.objects.count() == 1

    def test_event_whose_picture_shows_no_face_is_not_enrolled(
        self, api: Caller, collection: Collection
    ) -> None:
        event = make_event(collection, face_jpeg=photo(), vector=None)
        error = refusal(
            api.post(f"{EVENTS}/{event.pk}/enrol", {"name": "Nobody"}), 422, "low_quality"
        )
        assert error["details"]["outcomes"][0]["accepted"] is False
        assert not Person.objects.exists()

    def test_event_without_a_picture_is_not_enrolled(
        self, api: Caller, collection: Collection
    ) -> None:
        event = make_event(collection, face_jpeg=None)
        answer = api.post(f"{EVENTS}/{event.pk}/enrol", {"name": "Nobody"})
        refusal(answer, 409, "event_has_no_face")

    def test_event_enrolled_for_a_person_of_another_collection_is_answered_409(
        self, api: Caller, person: Person
    ) -> None:
        event = make_event(make_collection())
        answer = api.post(f"{EVENTS}/{event.pk}/enrol", {"person": person.pk})
        refusal(answer, 409, "different_collections")

    @pytest.mark.parametrize("body", [{}, {"name": ""}, {"person": "x"}])
    def test_enrolling_an_event_without_name_or_person_is_refused(
        self, api: Caller, collection: Collection, body: dict
    ) -> None:
        event = make_event(collection)
        refusal(api.post(f"{EVENTS}/{event.pk}/enrol", body), 400, "validation_error")

    def test_enrolling_an_event_with_name_and_person_is_refused(
        self, api: Caller, person: Person
    ) -> None:
        event = make_event(person.collection)
        body = {"person": person.pk, "name": "x"}
        refusal(api.post(f"{EVENTS}/{event.pk}/enrol", body), 400, "validation_error")

    def test_enrolling_an_event_of_unknown_rows_is_refused(
        self, api: Caller, collection: Collection
    ) -> None:
        answer = api.post(f"{EVENTS}/{uuid.uuid4()}/enrol", {"name": "x"})
        refusal(answer, 404, "not_found")
        event = make_event(collection)
        answer = api.post(f"{EVENTS}/{event.pk}/enrol", {"person": make_person().pk})
        refusal(answer, 409, "different_collections")
        answer = api.post(f"{EVENTS}/{event.pk}/enrol", {"person": uuid.uuid4()})
        refusal(answer, 404, "not_found")
