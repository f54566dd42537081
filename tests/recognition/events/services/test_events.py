"""Events: one row for each visit, which is announced, improved, reviewed and pruned."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.utils import timezone

from accounts.models import AuditEntry
from recognition.events.models import Event
from recognition.events.services import publishing
from recognition.events.services import traces as event_traces
from recognition.events.services.events import (
    event_delete,
    event_review,
    events_prune,
)
from recognition.notices.feed import Feed
from recognition.notices.follower import NoticeReader, tell
from recognition.notices.models import Notice
from recognition.people.models import Collection, Person
from recognition.people.services.persons import person_erase, person_merge
from recognition.web.errors import ServiceError
from recognition.web.process import process
from tests.factories import (
    ACTOR,
    enrol,
    make_camera,
    make_collection,
    make_event,
    make_person,
    seen,
    update_event,
)
from tests.fakes import FakeEngine, embedding_of, photo
from tests.recognition.storage import assert_consistent, named_files, stored_files

pytestmark = pytest.mark.django_db


class Told:
    """What viewers get: notices, and the progress of open visits."""

    def __init__(self) -> None:
        self._messages: list[dict[str, Any]] = []
        self._reader = NoticeReader()
        self._reader.read()
        process().part(Feed).join(lambda message: self._messages.append({**message["event"]}))

    def publish(self, payload: dict[str, Any], *, collection_id: object) -> None:
        assert payload["collection"] == str(collection_id)
        self._messages.append(payload)

    def news(self) -> list[dict[str, Any]]:
        """The messages since the last call."""
        tell(self._reader.read())
        news, self._messages = self._messages, []
        return news


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, db: None) -> Told:
    heard = Told()
    monkeypatch.setattr(publishing, "publish_event", heard.publish)
    return heard


def _update(event: Event, look: Any, **options: Any) -> Event:
    return update_event(event, look, **options)


def _bytes(file: Any) -> bytes:
    with file.open("rb") as opened:
        return opened.read()


def test_a_visit_is_one_row_with_its_pictures(
    person: Person, collection: Collection, told: Told
) -> None:
    camera = make_camera(collection, name="Door")
    event = make_event(person=person, camera=camera, number=3)
    row = Event.objects.get()
    assert row == event
    assert (row.person, row.decision, row.is_open, row.camera) == (person, "match", True, camera)
    assert (row.similarity, row.threshold, row.false_match_rate) == (0.8, 0.4, 1e-5)
    assert np.frombuffer(row.vector, "<f4") == pytest.approx(embedding_of(3))  # type: ignore[arg-type]
    assert _bytes(row.face) == photo(3)
    assert_consistent(collection)
    assert len(stored_files()) == 2
    (message,) = told.news()
    assert message["kind"] == "opened"
    assert message["person"] == {"id": str(person.pk), "name": "Ann Example", "labels": []}
    assert message["camera"]["name"] == "Door"


def test_a_visit_remembers_the_image_that_matched(engine: FakeEngine, person: Person) -> None:
    (image,) = enrol(person, 1)
    template = image.templates.get()
    assert make_event(person=person, template_id=template.pk).image == image
    stranger = make_person(person.collection)
    assert make_event(person=stranger, template_id=template.pk).image is None


def test_visit_is_updated_and_ends(person: Person, told: Told) -> None:
    event = make_event(person=person)
    later = event.ended_at + timedelta(seconds=5)
    kinds = [message["kind"] for message in told.news()]
    event = _update(event, seen(person, at=later))
    assert (event.is_open, event.ended_at) == (True, later)
    kinds += [message["kind"] for message in told.news()]
    event = _update(event, seen(person, at=later - timedelta(seconds=3)), is_open=False)
    assert (event.is_open, event.ended_at) == (False, later)
    assert Event.objects.count() == 1
    (last,) = told.news()
    assert [*kinds, last["kind"]] == ["opened", "updated", "closed"]
    assert last["is_open"] is False


def test_progress_of_a_visit_is_no_notice_and_a_decision_is_one(person: Person) -> None:
    event = make_event(person.collection)
    event = _update(event, seen())
    event = _update(event, seen(person))
    event = _update(event, seen(person))
    _update(event, seen(person), is_open=False)
    kinds = list(Notice.objects.filter(subject_id=event.pk).values_list("kind", flat=True))
    assert kinds == ["event.opened", "event.decided", "event.closed"]


def test_only_a_clearer_face_replaces_the_pictures(person: Person, collection: Collection) -> None:
    event = make_event(person=person, number=1, quality=0.7)
    first = stored_files()
    event = _update(event, seen(person, number=2, quality=0.6))
    assert stored_files() == first
    event = _update(event, seen(person, number=3, quality=0.9))
    assert (event.quality, _bytes(event.face)) == (0.9, photo(3))
    assert np.frombuffer(event.vector, "<f4") == pytest.approx(embedding_of(3))  # type: ignore[arg-type]
    assert stored_files().isdisjoint(first)
    assert_consistent(collection)
    event = _update(event, seen(person, quality=1.0, snapshot_jpeg=None, face_jpeg=None))
    assert _bytes(event.face) == photo(3), "an update without pictures keeps those there are"


def test_a_decision_becomes_surer_and_never_less_sure(person: Person) -> None:
    event = make_event(person.collection)
    assert (event.decision, event.person) == ("unknown", None)
    event = _update(event, seen(decision="ambiguous", similarity=0.6))
    assert (event.decision, event.similarity) == ("ambiguous", 0.6)
    event = _update(event, seen(person, similarity=0.55))
    assert (event.decision, event.person, event.similarity) == ("match", person, 0.55)
    event = _update(event, seen(similarity=0.3))
    assert (event.decision, event.person, event.similarity) == ("match", person, 0.55)
    event = _update(event, seen(person, similarity=0.7, threshold=0.45))
    assert (event.similarity, event.threshold) == (0.7, 0.45)


def test_name_that_the_stream_takes_back_is_taken_back(person: Person) -> None:
    event = make_event(person=person, similarity=0.6)
    event = _update(event, seen(similarity=0.3, is_revised=True))
    assert (event.decision, event.person, event.image) == ("unknown", None, None)
    assert Notice.objects.filter(subject_id=event.pk, kind="event.decided").count() == 1


def test_name_that_a_person_confirmed_is_not_taken_back(person: Person) -> None:
    event = make_event(person=person, similarity=0.6)
    event = event_review(event=event, review=Event.Review.CONFIRMED, actor=ACTOR)
    event = _update(event, seen(similarity=0.3, is_revised=True))
    assert (event.decision, event.person) == ("match", person)


def test_the_closest_of_two_matches_names_the_visit(person: Person) -> None:
    other = make_person(person.collection)
    event = make_event(person=person, similarity=0.6)
    assert _update(event, seen(other, similarity=0.5)).person == person
    assert _update(event, seen(other, similarity=0.7)).person == other


def test_reviewed_event_keeps_its_decision(person: Person, told: Told) -> None:
    event = make_event(person.collection)
    event = event_review(event=event, review=Event.Review.REJECTED, actor=ACTOR)
    event = _update(event, seen(person, similarity=0.99))
    assert (event.person, event.review) == (None, "rejected")
    assert AuditEntry.objects.get(action="event.review").details == {"review": "rejected"}
    assert told.news()[1]["review"] == "rejected"


def test_visit_of_an_erased_person_stores_neither_name_nor_pictures(person: Person) -> None:
    event = make_event(person=person)
    stale = Person.objects.get(pk=person.pk)
    person_erase(person=person, actor=ACTOR)
    event = _update(event, seen(stale, quality=0.99))
    assert (event.person, event.vector, event.face.name) == (None, None, "")
    late = make_event(stale.collection, stale)
    assert (late.decision, late.person, late.similarity) == ("unknown", None, None)
    assert not late.face
    assert not stored_files()


def test_a_picture_from_before_an_erasure_is_not_stored_after_it(
    person: Person, collection: Collection
) -> None:
    """The frame of another person's visit may show the erased person."""
    bystander = make_event(collection, snapshot_jpeg=None, face_jpeg=None, quality=0.1)
    before = timezone.now()
    person_erase(person=person, actor=ACTOR)
    after = timezone.now()
    pending = seen(number=2, quality=0.9, at=after, pictures_at=before)
    event = _update(bystander, pending)
    assert (event.snapshot.name, event.face.name, event.vector, event.ended_at) == (
        "",
        "",
        None,
        max(after, bystander.ended_at),
    )
    late = make_event(collection, at=after, pictures_at=before)
    assert (late.snapshot.name, late.face.name) == ("", "")
    assert not stored_files()
    event = _update(event, seen(number=2, quality=0.9))
    assert event.snapshot
    assert event.face
    assert_consistent(collection)


def test_an_erasure_elsewhere_keeps_no_picture_out(person: Person) -> None:
    before = timezone.now()
    person_erase(person=person, actor=ACTOR)
    event = make_event(make_collection(), pictures_at=before)
    assert event.snapshot
    assert event.face


def test_a_visit_of_a_camera_that_was_removed_has_none(collection: Collection) -> None:
    camera = make_camera(collection)
    stale = type(camera).objects.get(pk=camera.pk)
    camera.delete()
    assert make_event(collection, camera=stale).camera is None


def test_a_visit_in_a_collection_that_is_gone_leaves_no_file(collection: Collection) -> None:
    stale = Collection.objects.select_related("embedder").get()
    collection.delete()
    with pytest.raises(ServiceError) as refused:
        make_event(stale)
    assert refused.value.code == "not_found"
    assert not stored_files()


def test_a_deleted_event_is_not_updated(collection: Collection) -> None:
    event = make_event(collection)
    event_delete(event=event, actor=ACTOR)
    assert not stored_files()
    with pytest.raises(ServiceError) as refused:
        _update(event, seen(quality=0.9))
    assert refused.value.code == "not_found"
    assert not stored_files()
    assert AuditEntry.objects.filter(action="event.delete").count() == 1


def _aged(event: Event, days: float) -> Event:
    at = timezone.now() - timedelta(days=days)
    Event.objects.filter(pk=event.pk).update(started_at=at, ended_at=at, is_open=False)
    return event


def test_old_events_are_pruned_with_their_pictures() -> None:
    collection = make_collection(event_retention_days=30, unknown_retention_days=7)
    person = make_person(collection)
    fresh = [_aged(make_event(person=person), 29), _aged(make_event(collection), 6)]
    _aged(make_event(person=person), 31)
    _aged(make_event(collection), 8)
    _aged(make_event(collection, decision="ambiguous"), 8)
    elsewhere = make_collection(event_retention_days=0, unknown_retention_days=0)
    fresh.append(_aged(make_event(elsewhere), 1000))
    assert events_prune() == 3
    assert set(Event.objects.all()) == set(fresh)
    assert stored_files() == named_files()
    assert len(stored_files()) == 6
    assert AuditEntry.objects.get(action="event.prune").details == {"events": 3}


def test_the_shorter_of_both_times_holds_for_unknown_faces() -> None:
    collection = make_collection(event_retention_days=5, unknown_retention_days=0)
    _aged(make_event(collection), 6)
    assert events_prune() == 1


def test_a_visit_that_goes_on_is_not_pruned(collection: Collection) -> None:
    event = _aged(make_event(collection), 1000)
    Event.objects.filter(pk=event.pk).update(is_open=True)
    assert events_prune() == 0


def test_pruning_goes_through_more_than_one_batch(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recognition.events.services.events._BATCH", 2)
    for _ in range(5):
        _aged(make_event(collection), 1000)
    assert events_prune() == 5
    assert not stored_files()


def test_notice_of_a_deleted_event_has_no_content(person: Person, told: Told) -> None:
    event = make_event(person=person)
    told.news()
    event_delete(event=event, actor=ACTOR)
    gone = {"id": str(event.pk), "collection": str(event.collection_id), "kind": "deleted"}
    assert told.news() == [gone]


def test_erasure_publishes_the_newest_events(
    person: Person, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_traces, "MOST_TOLD", 2)
    events = [make_event(person=person) for _ in range(3)]
    told.news()
    person_erase(person=person, actor=ACTOR)
    news = told.news()
    assert {message["id"] for message in news} == {str(event.pk) for event in events[1:]}
    for message in news:
        assert (message["kind"], message["person"]) == ("updated", None)
        assert (message["face_url"], message["snapshot_url"]) == (None, None)


def test_merge_of_people_publishes_their_events(person: Person, told: Told) -> None:
    into = make_person(person.collection, name="Bea")
    event = make_event(person=person)
    told.news()
    person_merge(into=into, person=person, actor=ACTOR)
    (message,) = told.news()
    assert (message["id"], message["kind"]) == (str(event.pk), "updated")
    assert message["person"] == {"id": str(into.pk), "name": "Bea", "labels": []}
