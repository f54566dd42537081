"""Faces that only one of the two models has seen: of events and rejections beside a switch."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.db import connection

from ml_engine.types import EngineBusy
from recognition.events.models import Event, EventVector
from recognition.events.services.events import event_review
from recognition.jobs.services import job_start
from recognition.people.models import (
    Collection,
    ModelChangeLoss,
    ModelVersion,
    Negative,
    Person,
    Template,
)
from recognition.people.services import candidates, second_model
from recognition.people.services import model_changes as service
from recognition.people.services.model_changes import (
    change_progress,
    images_lost,
    model_change_cancel,
    model_change_let_go,
    model_change_roll_back,
    model_change_start,
    model_change_switch,
    negatives_missing,
    open_change,
)
from tests.factories import ACTOR, enrol, make_event, make_person, update_event
from tests.factories import seen as a_look
from tests.recognition.jobs.runs import run_jobs
from tests.recognition.people.changes.changing import begun, now, refused, seen, visit
from tests.versioned_models import VersionedEngine

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("engine")]


def test_event_before_the_switch_keeps_a_face_when_the_former_model_goes(
    engine: VersionedEngine, collection: Collection, crowd: list[Person], second: ModelVersion
) -> None:
    begun(collection, second)
    event = visit(engine, collection, crowd[0], 0)
    model_change_switch(collection=collection, actor=ACTOR)
    model_change_let_go(collection=collection, actor=ACTOR)
    run_jobs()
    event.refresh_from_db()
    assert (event.model, event.vector is None) == (second, False)
    assert not EventVector.objects.exists()
    event_review(event=event, review="rejected", actor=ACTOR)
    assert seen(collection, 0).person_id != crowd[0].pk


def test_event_after_the_switch_keeps_a_face_when_the_change_is_cancelled(
    engine: VersionedEngine,
    collection: Collection,
    crowd: list[Person],
    first: ModelVersion,
    second: ModelVersion,
) -> None:
    begun(collection, second)
    model_change_switch(collection=collection, actor=ACTOR)
    event = visit(engine, now(collection), crowd[0], 0)
    model_change_roll_back(collection=collection, actor=ACTOR)
    model_change_cancel(collection=collection, actor=ACTOR)
    run_jobs()
    event.refresh_from_db()
    assert (event.model, event.vector is None) == (first, False)


def test_events_without_a_face_leave_a_model_that_is_let_go(
    collection: Collection, crowd: list[Person], first: ModelVersion, second: ModelVersion
) -> None:
    """One has no picture, the other never had a vector: both would keep the model for ever."""
    begun(collection, second)
    lost, empty = (make_event(collection, number=number) for number in (50, 51))
    lost.face.storage.delete(str(lost.face.name))
    Event.objects.filter(pk=empty.pk).update(vector=None)
    model_change_switch(collection=collection, actor=ACTOR)
    model_change_let_go(collection=collection, actor=ACTOR)
    run_jobs()
    assert set(Event.objects.values_list("model", "vector")) == {(second.pk, None)}


def test_event_without_a_vector_can_be_rejected_by_its_picture(
    engine: VersionedEngine, collection: Collection, crowd: list[Person]
) -> None:
    event = visit(engine, collection, crowd[0], 0)
    Event.objects.update(vector=None)
    event.refresh_from_db()
    event_review(event=event, review="rejected", actor=ACTOR)
    assert seen(collection, 0).person_id != crowd[0].pk


def test_vectors_of_a_former_picture_go_with_it(
    collection: Collection, crowd: list[Person], second: ModelVersion
) -> None:
    event = make_event(collection, number=50)
    begun(collection, second)
    assert EventVector.objects.filter(event=event).exists()
    update_event(event, a_look(number=50, quality=0.9))
    assert not EventVector.objects.filter(event=event).exists()


def test_rejection_waits_for_the_model_in_force(
    engine: VersionedEngine,
    collection: Collection,
    crowd: list[Person],
    second: ModelVersion,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the former model alone the rejection would have no effect, and end with that model."""
    begun(collection, second)
    event = visit(engine, collection, crowd[0], 0)
    model_change_switch(collection=collection, actor=ACTOR)
    monkeypatch.setattr(engine, "is_busy", True)
    with pytest.raises(EngineBusy):
        event_review(event=event, review="rejected", actor=ACTOR)
    monkeypatch.setattr(engine, "is_busy", False)
    assert not Negative.objects.exists()
    event_review(event=event, review="rejected", actor=ACTOR)
    assert seen(collection, 0).person_id != crowd[0].pk


@pytest.mark.parametrize("is_let_go", [False, True])
def test_rejection_by_the_former_model_gets_a_copy_of_the_model_in_force(
    engine: VersionedEngine,
    collection: Collection,
    crowd: list[Person],
    first: ModelVersion,
    second: ModelVersion,
    is_let_go: bool,
) -> None:
    begun(collection, second)
    event = visit(engine, collection, crowd[0], 0)
    event_review(event=event, review="rejected", actor=ACTOR)
    model_change_switch(collection=collection, actor=ACTOR)
    Negative.objects.filter(model=second).delete()
    change = open_change(collection)
    assert change is not None
    assert not negatives_missing(change).exists()
    if is_let_go:
        model_change_let_go(collection=collection, actor=ACTOR)
    else:
        job_start(kind="model_change", collection=collection.pk, actor=ACTOR)
    run_jobs()
    assert seen(collection, 0).person_id != crowd[0].pk
    models = set(Negative.objects.values_list("model", flat=True))
    assert models == ({second.pk} if is_let_go else {first.pk, second.pk})


def test_rejections_of_a_model_that_goes_are_removed_a_few_at_a_time(
    engine: VersionedEngine,
    collection: Collection,
    crowd: list[Person],
    second: ModelVersion,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number in range(3):
        event = visit(engine, collection, crowd[number], number)
        event_review(event=event, review="rejected", actor=ACTOR)
    begun(collection, second)
    model_change_switch(collection=collection, actor=ACTOR)
    model_change_let_go(collection=collection, actor=ACTOR)
    monkeypatch.setattr(candidates, "_REMOVED_AT_ONCE", 2)
    handled, step_of = [], candidates.step_of

    def counted(*args: Any) -> Any:
        handled.append(step_of(*args))
        return handled[-1]

    monkeypatch.setattr(candidates, "step_of", counted)
    run_jobs()
    assert [each for each in handled if each][-2:] == [2, 1]
    assert set(Negative.objects.values_list("model", "original")) == {(second.pk, None)}
    assert Negative.objects.count() == 3


def test_rollback_asks_for_images_that_the_former_model_cannot_embed(
    collection: Collection,
    crowd: list[Person],
    first: ModelVersion,
    second: ModelVersion,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun(collection, second)
    model_change_switch(collection=collection, actor=ACTOR)
    monkeypatch.setattr(second_model, "stored_embedding", lambda *_: None)
    monkeypatch.setattr(candidates, "stored_embedding", lambda *_: None)
    enrol(make_person(now(collection), name="Late"), 40)
    refused("images_missing", model_change_roll_back, collection=collection)
    run_jobs()
    change = open_change(collection)
    assert change is not None
    assert [loss.reason for loss in images_lost(change)] == [ModelChangeLoss.NO_FACE]
    error = refused("images_lost", model_change_roll_back, collection=collection)
    assert error.details["images"] == 1
    assert run_jobs() == 0, "the picture is there: it need not be tried again"
    model_change_roll_back(collection=collection, actor=ACTOR, accepted_losses=1)
    change.refresh_from_db()
    assert change_progress(change).images_lost == 0, "the new model has it"
    model_change_switch(collection=collection, actor=ACTOR)


def test_pictures_that_were_away_are_tried_again(
    collection: Collection, crowd: list[Person], second: ModelVersion
) -> None:
    image = crowd[0].images.all()[0]
    storage, name = image.file.storage, str(image.file.name)
    with image.file.open("rb") as file:
        content = file.read()
    storage.delete(name)
    change = begun(collection, second)
    assert ModelChangeLoss.objects.get(change=change).reason == ModelChangeLoss.NO_FILE
    assert storage.save(name, ContentFile(content)) == name
    refused("images_lost", model_change_switch, collection=collection)
    assert run_jobs() == 1
    model_change_switch(collection=collection, actor=ACTOR)
    assert Template.objects.filter(image=image, model=second).exists()


@pytest.mark.django_db(transaction=True)
def test_job_of_an_ended_change_is_started_outside_of_its_transaction(
    collection: Collection,
    crowd: list[Person],
    second: ModelVersion,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A running job locks its own row and then the collection; both in the other order would be a
    deadlock."""
    model_change_start(collection=collection, model=second, actor=ACTOR)
    within = []

    def started(**_: Any) -> None:
        within.append(connection.in_atomic_block)

    monkeypatch.setattr(service, "job_start", started)
    model_change_cancel(collection=collection, actor=ACTOR)
    assert within == [False]
