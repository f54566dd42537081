"""A rejected name is not given to that face again: events and their effects."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.utils import timezone

from ml_engine.types import Float32
from recognition.events.models import Event
from recognition.events.services.enrolment import event_enrol
from recognition.events.services.events import event_delete, event_review, events_prune
from recognition.people.index import Gallery, gallery_of
from recognition.people.model_versions import ensure_model_version
from recognition.people.models import Collection, Negative, Person, Template
from recognition.people.services.enrolment import image_delete
from recognition.people.services.identification import verify_person
from recognition.people.services.persons import person_erase, person_merge
from tests.factories import ACTOR, enrol, make_collection, make_event, make_person
from tests.fakes import FakeEngine, embedding_of, photo

pytestmark = pytest.mark.django_db

ANN, DOUBLE = 1, 2
# Mistaken for Ann: more similar to her than a stranger should be, but another person.
FACE: Float32 = embedding_of(ANN) + embedding_of(DOUBLE)
FACE = FACE / np.linalg.norm(FACE)


@pytest.fixture
def ann(engine: FakeEngine, person: Person) -> Person:
    enrol(person, ANN)
    return person


@pytest.fixture
def mistake(ann: Person) -> Event:
    """A visit of another person under Ann's name."""
    return make_event(person=ann, vector=FACE, number=DOUBLE)


def _review(event: Event, review: str) -> None:
    event_review(event=event, review=review, actor=ACTOR)


def _is_named(collection: Collection, probe: Float32 = FACE) -> bool:
    """Asks the gallery of this process and one of another process, which must agree."""
    elsewhere = _elsewhere.setdefault(str(collection.pk), Gallery(collection))
    elsewhere.follow(now=True)
    here, there = (bool(g.search(probe)[0]) for g in (gallery_of(collection), elsewhere))
    assert here == there
    return here


_elsewhere: dict[str, Gallery] = {}


@pytest.fixture(autouse=True)
def _none_elsewhere() -> None:
    _elsewhere.clear()


def test_a_rejected_face_is_not_named_so_again(ann: Person, mistake: Event) -> None:
    assert _is_named(ann.collection)
    _review(mistake, Event.Review.REJECTED)
    assert not _is_named(ann.collection)
    assert _is_named(ann.collection, embedding_of(ANN)), "Ann herself still is"
    negative = Negative.objects.get()
    assert (negative.person, negative.event) == (ann, mistake)
    np.testing.assert_allclose(Template.unpack(negative.vector), FACE, rtol=1e-6)


@pytest.mark.parametrize("review", [Event.Review.NONE, Event.Review.CONFIRMED])
def test_rejection_that_is_taken_back_names_the_face_again(
    ann: Person, mistake: Event, review: str
) -> None:
    for answer in (Event.Review.REJECTED, Event.Review.REJECTED, review):
        _review(mistake, answer)
    assert not Negative.objects.exists()
    assert _is_named(ann.collection)


def test_rejected_face_of_another_model_is_embedded_again(ann: Person) -> None:
    old = make_event(person=ann)
    Event.objects.filter(pk=old.pk).update(model=ensure_model_version("dlib_resnet"))
    _review(Event.objects.get(pk=old.pk), Event.Review.REJECTED)
    assert Negative.objects.get().model_id == ann.collection.embedder_id


def test_review_of_an_unfit_event_makes_no_negative(ann: Person, mistake: Event) -> None:
    unknown = make_event(ann.collection, vector=FACE)
    Event.objects.filter(pk=mistake.pk).update(vector=None, face="")  # as an erasure does
    _review(unknown, Event.Review.REJECTED)
    _review(mistake, Event.Review.REJECTED)
    assert not Negative.objects.exists()
    ann.collection.refresh_from_db()
    before = ann.collection.gallery_revision
    _review(unknown, Event.Review.CONFIRMED)
    ann.collection.refresh_from_db()
    assert ann.collection.gallery_revision == before, "nothing to read again"


def test_rejected_face_is_not_verified_as_that_person(
    engine: FakeEngine, ann: Person, mistake: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_person(ann.collection)
    enrol(other, 5)
    Template.objects.filter(image__person=other).update(vector=Template.pack(embedding_of(ANN)))
    seen = {"vector": FACE}
    monkeypatch.setattr(engine, "_vector", lambda *_: seen["vector"])

    def decision(person: Person) -> str:
        return verify_person(person=person, data=photo(9), actor=ACTOR, threshold=0.4).decision

    assert decision(ann) == "match"
    _review(mistake, Event.Review.REJECTED)
    assert decision(ann) == "unknown"
    assert decision(other) == "match", "it is nobody else's affair"
    seen["vector"] = embedding_of(ANN)
    assert decision(ann) == "match", "Ann herself still is"


def test_deleted_event_removes_its_negative(ann: Person, mistake: Event) -> None:
    _review(mistake, Event.Review.REJECTED)
    assert not _is_named(ann.collection)
    event_delete(event=mistake, actor=ACTOR)
    assert not Negative.objects.exists()
    assert _is_named(ann.collection)


def test_negative_is_pruned_with_its_event(ann: Person, mistake: Event) -> None:
    _review(mistake, Event.Review.REJECTED)
    assert not _is_named(ann.collection)
    old = timezone.now() - timedelta(days=91)
    Event.objects.update(is_open=False, started_at=old, ended_at=old)
    assert events_prune() == 1
    assert not Negative.objects.exists()
    assert _is_named(ann.collection)


def test_erasing_a_person_removes_the_negatives(ann: Person, mistake: Event) -> None:
    _review(mistake, Event.Review.REJECTED)
    gallery = gallery_of(ann.collection)
    gallery.search(FACE)
    person_erase(person=ann, actor=ACTOR)
    assert not Negative.objects.exists()
    mistake.refresh_from_db()
    assert (mistake.person, mistake.vector) == (None, None)
    assert gallery._contents is not None
    assert not gallery._contents._negatives, "nor in memory"


def test_negative_reaches_another_process_after_a_deleted_image(
    engine: FakeEngine, ann: Person, mistake: Event
) -> None:
    enrol(ann, 3, ANN)
    elsewhere = Gallery(ann.collection)
    assert elsewhere.search(FACE)[0]
    _review(mistake, Event.Review.REJECTED)
    first = ann.images.order_by("templates").first()
    assert first is not None
    image_delete(image=first, actor=ACTOR)
    elsewhere.follow(now=True)
    assert elsewhere.search(embedding_of(ANN))[0]
    assert not elsewhere.search(FACE)[0]


def test_negative_moves_with_a_merged_person(ann: Person, mistake: Event) -> None:
    _review(mistake, Event.Review.REJECTED)
    again = make_person(ann.collection)
    enrol(again, 7)
    collection = ann.collection
    person_merge(into=again, person=ann, actor=ACTOR)
    assert Negative.objects.get().person == again
    assert again.pk not in [found.person for found in gallery_of(collection).search(FACE)[0]]
    assert not _is_named(collection)


def test_negative_moves_with_a_merged_person_without_images(ann: Person, mistake: Event) -> None:
    without = make_person(ann.collection)
    event = make_event(person=without, vector=FACE)
    _review(event, Event.Review.REJECTED)
    assert _is_named(ann.collection)
    person_merge(into=ann, person=without, actor=ACTOR)
    assert not _is_named(ann.collection)


def test_enrolling_the_face_itself_removes_its_negative(
    engine: FakeEngine, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused while it looks like Ann. After the rejection it counts as another person."""
    monkeypatch.setattr(engine, "lookalikes", {DOUBLE: ANN})
    seen: dict[str, Any] = {"vector": embedding_of(ANN, looks=5), "number": DOUBLE}
    event = make_event(person=ann, **seen)
    assert event_enrol(event=event, name="Bea", actor=ACTOR)[1].code == "looks_like_another_person"
    monkeypatch.setattr(engine, "_vector", lambda *_: embedding_of(ANN, looks=5))
    _review(event, Event.Review.REJECTED)
    bea, outcome = event_enrol(event=event, name="Bea", actor=ACTOR)
    assert (outcome.code, bea is not None) == ("accepted", True)
    event.refresh_from_db()
    assert (event.person, event.review) == (bea, "confirmed")
    assert not Negative.objects.exists()
    found = gallery_of(ann.collection).search(embedding_of(ANN, looks=5))[0]
    assert bea is not None and found[0].person == bea.pk


def test_negatives_count_only_in_their_collection(ann: Person, mistake: Event) -> None:
    other = make_person(make_collection())
    enrol(other, ANN)
    _review(mistake, Event.Review.REJECTED)
    assert not _is_named(ann.collection)
    assert _is_named(other.collection)
