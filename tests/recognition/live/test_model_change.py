"""Live visits go on when the collection gets another model."""

from __future__ import annotations

import pytest

from recognition.events.models import Event
from recognition.events.payloads import event_payload
from recognition.live import rulebook
from recognition.people.model_versions import ensure_model_version
from recognition.people.models import Collection, ModelVersion, Person
from recognition.people.services.model_changes import (
    model_change_let_go,
    model_change_roll_back,
    model_change_start,
    model_change_switch,
)
from tests.factories import ACTOR, enrol, make_person
from tests.fakes import FakeEngine, photo
from tests.recognition.jobs.runs import run_jobs
from tests.recognition.live.streams import DrivenStream

pytestmark = pytest.mark.django_db(transaction=True)

ANN, STRANGER = 11, 33


@pytest.fixture
def dlib(monkeypatch: pytest.MonkeyPatch) -> ModelVersion:
    """Another model, with vectors of another length. Streams read the collection in each frame."""
    monkeypatch.setattr(rulebook, "_REREAD_S", 0.0)
    return ensure_model_version("dlib_resnet")


@pytest.fixture
def ready(engine: FakeEngine, collection: Collection, dlib: ModelVersion) -> Collection:
    enrol(make_person(collection, name="Ann"), ANN, ANN)
    model_change_start(collection=collection, model=dlib, actor=ACTOR)
    run_jobs()
    return Collection.objects.select_related("embedder").get(pk=collection.pk)


@pytest.mark.parametrize(("number", "decision"), [(ANN, "match"), (STRANGER, "unknown")])
def test_visit_goes_on_after_a_switch_and_a_rollback(
    ready: Collection, dlib: ModelVersion, number: int, decision: str
) -> None:
    with DrivenStream(ready) as stream:
        picture = photo(number, looks=1)
        before = stream.show(picture, frames=15)["faces"][0]
        model_change_switch(collection=ready, actor=ACTOR)
        after = stream.show(picture, frames=15)["faces"][0]
        model_change_roll_back(collection=ready, actor=ACTOR)
        last = stream.show(picture, frames=15)["faces"][0]
    assert before["decision"] == after["decision"] == last["decision"] == decision
    assert before["track"] == after["track"] == last["track"]
    assert before["threshold"] != after["threshold"]
    assert before["threshold"] == last["threshold"]
    event = Event.objects.get()
    assert event.decision == decision
    assert event.similarity is not None


def test_better_picture_after_the_switch_carries_the_new_model(
    ready: Collection, dlib: ModelVersion, engine: FakeEngine
) -> None:
    with DrivenStream(ready) as stream:
        stream.show(photo(ANN, looks=1), frames=10)
        assert Event.objects.get().model != dlib
        model_change_switch(collection=ready, actor=ACTOR)
        Event.objects.update(quality=0.0)
        for visit in stream.session._pipeline.visits._book.visits:
            visit.quality = 0.0
        stream.show(photo(ANN, looks=1), frames=30)
    event = Event.objects.get()
    assert event.model == dlib
    assert event.vector is not None
    assert len(event.vector) == 4 * (dlib.dimension or 0)


def test_passing_face_keeps_the_vector_of_the_model_that_saw_it(
    ready: Collection, dlib: ModelVersion
) -> None:
    """The visit is tentative when the model is switched, and ends without another look."""
    with DrivenStream(ready) as stream:
        stream.show(photo(ANN, looks=1), frames=2)
        assert not Event.objects.exists()
        model_change_switch(collection=ready, actor=ACTOR)
        stream.show(photo(), frames=2)
    event = Event.objects.get()
    assert event.vector is not None
    assert event.model == ready.embedder
    assert event.decided_by == ready.embedder.version
    assert len(event.vector) == 4 * (ready.embedder.dimension or 0)


def test_picture_carries_no_vector_of_a_model_that_was_let_go(
    ready: Collection, dlib: ModelVersion
) -> None:
    """No other row may refer to that model any more."""
    with DrivenStream(ready) as stream:
        stream.show(photo(ANN, looks=1), frames=2)
        model_change_switch(collection=ready, actor=ACTOR)
        Collection.objects.update(candidate=None)
        stream.show(photo(), frames=2)
    event = Event.objects.get()
    assert (event.model, event.vector) == (dlib, None)
    assert event.decided_by == ready.embedder.version
    assert event.face


def test_face_without_a_name_is_named_by_the_new_model(
    ready: Collection, dlib: ModelVersion
) -> None:
    """The same event: a visit that was unknown gets the name that the new model gives it."""
    Collection.objects.update(match_threshold=2.0)
    with DrivenStream(ready) as stream:
        assert stream.show(photo(ANN, looks=1), frames=15)["faces"][0]["decision"] == "unknown"
        model_change_switch(collection=ready, actor=ACTOR)
        assert stream.show(photo(ANN, looks=1), frames=15)["faces"][0]["decision"] == "match"
    event = Event.objects.get()
    assert event.person == Person.objects.get()
    assert event.threshold < 1.0
    assert event.decided_by == dlib.version


def test_event_names_the_model_that_decided_after_its_vector_became_another_models(
    ready: Collection, dlib: ModelVersion
) -> None:
    with DrivenStream(ready) as stream:
        picture = photo(ANN, looks=1)
        stream.show(picture, frames=15)
        told = stream.wait_for(lambda message: message["type"] == "event")
    assert told["event"]["model"] == ready.embedder.version
    model_change_switch(collection=ready, actor=ACTOR)
    model_change_let_go(collection=ready, actor=ACTOR)
    run_jobs()
    event = Event.objects.get()
    assert event.model == dlib
    assert event_payload(event)["model"] == ready.embedder.version
