"""The face of an event is enrolled for a new or an existing person, and the event gets the name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from accounts.models import AuditEntry
from ml_engine.images import encode_jpeg
from recognition.events.models import Event
from recognition.events.services.enrolment import event_enrol
from recognition.people.index import gallery_of
from recognition.people.model_versions import ensure_model_version
from recognition.people.models import Collection, FaceImage, Person, Template
from recognition.web.errors import ServiceError
from tests.factories import ACTOR, enrol, make_event, make_person, seen, update_event
from tests.fakes import FakeEngine, embedding_of, photo, portrait
from tests.normalised import normalise
from tests.recognition.storage import assert_consistent

pytestmark = pytest.mark.django_db

_NO_FACE = encode_jpeg(np.zeros((100, 80, 3), np.uint8))


def test_an_unknown_face_becomes_a_person(engine: FakeEngine, collection: Collection) -> None:
    event = make_event(collection, number=5)
    person, outcome = event_enrol(event=event, name="Cleo New", actor=ACTOR)
    assert person is not None
    assert (outcome.accepted, person.name, person.collection) == (True, "Cleo New", collection)
    event.refresh_from_db()
    assert (event.person, event.decision, event.review) == (person, "match", "confirmed")
    assert event.image == outcome.image == person.images.get()
    assert person.images.get().source == "live"
    found = gallery_of(collection).search(embedding_of(5, looks=3))[0][0]
    assert (found.person, found.similarity) == (person.pk, pytest.approx(0.9, abs=0.06))
    assert_consistent(collection, gallery_of(collection))
    actions = set(AuditEntry.objects.values_list("action", flat=True))
    assert {"person.create", "image.enrol", "event.name"} <= actions


def test_visit_continues_under_the_enrolled_name(
    engine: FakeEngine, collection: Collection
) -> None:
    event = make_event(collection, number=5)
    person, _ = event_enrol(event=event, name="Cleo New", actor=ACTOR)
    event = update_event(event, seen(number=5), ended_at=event.ended_at)
    assert (event.person, event.decision) == (person, "match")


def test_event_is_enrolled_as_another_picture_of_a_known_person(
    engine: FakeEngine, person: Person
) -> None:
    event = make_event(person.collection, number=5)
    given, outcome = event_enrol(event=event, person=person, actor=ACTOR)
    assert given == person
    assert outcome.image == person.images.get()
    again, outcome = event_enrol(event=event, person=person, actor=ACTOR)
    assert (again, outcome.code) == (person, "duplicate_image")


def test_enrolling_an_event_takes_its_own_face_of_two(
    engine: FakeEngine, collection: Collection
) -> None:
    two = encode_jpeg(portrait(8, 5), 95)
    event = make_event(collection, face_jpeg=two, vector=embedding_of(5))
    person, outcome = event_enrol(event=event, name="Cleo", actor=ACTOR)
    assert outcome.accepted
    assert person is not None
    found = gallery_of(collection).search(embedding_of(5))[0][0]
    assert found.similarity > 0.8


def test_own_face_of_an_event_is_told_by_its_score(
    engine: FakeEngine, collection: Collection
) -> None:
    """Not by its similarity: this normalisation puts all scores over the threshold."""
    normalise(centre=3.0)
    collection.refresh_from_db()
    event = make_event(collection, face_jpeg=photo(8), vector=embedding_of(5))
    _, outcome = event_enrol(event=event, name="Cleo", actor=ACTOR)
    assert outcome.accepted
    assert gallery_of(collection).search(embedding_of(8))[0][0].similarity > 0.8


def test_clear_face_that_is_not_found_again_is_enrolled_as_measured(
    engine: FakeEngine, collection: Collection
) -> None:
    event = make_event(collection, face_jpeg=_NO_FACE, vector=embedding_of(5), quality=0.9)
    _, outcome = event_enrol(event=event, name="Cleo", actor=ACTOR)
    assert outcome.accepted
    assert outcome.image is not None
    assert (outcome.image.box, outcome.image.landmarks) == ([0.0, 0.0, 80.0, 100.0], [])
    assert outcome.image.quality == 0.9
    assert Template.objects.get().embedding == pytest.approx(embedding_of(5))


def _by_other_model(event: Event) -> None:
    event.model = ensure_model_version("dlib_resnet")


def _unclear(event: Event) -> None:
    event.quality = 0.3


def _without_vector(event: Event) -> None:
    event.vector = None


@pytest.mark.parametrize("spoil", [_by_other_model, _unclear, _without_vector])
def test_unclear_face_that_is_not_found_again_is_refused(
    engine: FakeEngine, collection: Collection, spoil: Any
) -> None:
    event = make_event(collection, face_jpeg=_NO_FACE, vector=embedding_of(5), quality=0.9)
    spoil(event)
    event.save()
    person, outcome = event_enrol(event=event, name="Cleo", actor=ACTOR)
    assert (person, outcome.accepted, outcome.code) == (None, False, "low_quality")
    assert not Person.objects.exists()
    assert not FaceImage.objects.exists()
    event.refresh_from_db()
    assert event.person is None
    assert_consistent(collection)


def test_another_face_in_the_picture_is_not_taken_for_the_visitor(
    engine: FakeEngine, collection: Collection
) -> None:
    event = make_event(collection, face_jpeg=photo(8), vector=embedding_of(5), quality=0.2)
    _, outcome = event_enrol(event=event, name="Cleo", actor=ACTOR)
    assert not outcome.accepted


def test_known_face_of_an_event_is_not_enrolled_under_a_new_name(
    engine: FakeEngine, collection: Collection
) -> None:
    enrol(make_person(collection), 5)
    event = make_event(collection, number=5)
    person, outcome = event_enrol(event=event, name="Cleo", actor=ACTOR)
    assert (person, outcome.code) == (None, "looks_like_another_person")
    assert Person.objects.count() == 1


def test_event_without_a_face_picture_cannot_be_enrolled(
    engine: FakeEngine, collection: Collection
) -> None:
    event = make_event(collection, face_jpeg=None)
    with pytest.raises(ServiceError) as refused:
        event_enrol(event=event, name="Cleo", actor=ACTOR)
    assert (refused.value.code, refused.value.status) == ("event_has_no_face", 409)


def test_event_is_not_enrolled_for_a_person_of_another_collection(
    engine: FakeEngine, collection: Collection
) -> None:
    with pytest.raises(ServiceError, match="another collection"):
        event_enrol(event=make_event(collection), person=make_person(), actor=ACTOR)


def test_event_is_not_enrolled_for_a_person_erased_meanwhile(
    engine: FakeEngine, person: Person
) -> None:
    event = make_event(person.collection, number=5)
    stale = Person.objects.get()
    person.delete()
    with pytest.raises(ServiceError) as refused:
        event_enrol(event=event, person=stale, actor=ACTOR)
    assert refused.value.code == "not_found"
    assert_consistent(stale.collection)


def test_deleted_event_cannot_be_enrolled(engine: FakeEngine, collection: Collection) -> None:
    event = make_event(collection, number=5)
    Event.objects.filter(pk=event.pk).delete()
    with pytest.raises(ServiceError) as refused:
        event_enrol(event=event, name="Cleo", actor=ACTOR)
    assert refused.value.code == "not_found"
    assert not Person.objects.exists()
    assert not FaceImage.objects.exists()
