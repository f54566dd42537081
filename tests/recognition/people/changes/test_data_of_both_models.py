"""Rejections, events, SVMs and erasures while a collection has two models."""

from __future__ import annotations

import pytest

from recognition.events.models import Event, EventVector
from recognition.events.services.enrolment import event_enrol
from recognition.events.services.events import event_delete, event_review
from recognition.people.index import gallery_of
from recognition.people.models import (
    Collection,
    ModelVersion,
    Negative,
    Person,
    Template,
    TrainedDecider,
)
from recognition.people.services.model_changes import (
    model_change_let_go,
    model_change_roll_back,
    model_change_switch,
)
from recognition.people.services.persons import person_erase, person_merge
from tests.factories import ACTOR, make_event
from tests.recognition.jobs.runs import run_jobs
from tests.recognition.people.changes.changing import begun, now, seen, visit
from tests.versioned_models import VersionedEngine

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("engine")]


def test_rejected_name_stays_rejected_after_the_switch(
    engine: VersionedEngine, collection: Collection, crowd: list[Person], second: ModelVersion
) -> None:
    """Rejected before the change, during it, and after the switch."""
    events = [visit(engine, collection, crowd[number], number) for number in range(3)]
    event_review(event=events[0], review="rejected", actor=ACTOR)
    assert seen(collection, 0).person_id != crowd[0].pk
    begun(collection, second)
    event_review(event=events[1], review="rejected", actor=ACTOR)
    model_change_switch(collection=collection, actor=ACTOR)
    event_review(event=events[2], review="rejected", actor=ACTOR)
    assert Negative.objects.filter(original=None).count() == 3
    for switch in (None, model_change_roll_back, model_change_switch):
        if switch:
            switch(collection=collection, actor=ACTOR)
        for number in range(3):
            assert seen(collection, number).person_id != crowd[number].pk
        assert seen(collection, 3).person_id == crowd[3].pk
    model_change_let_go(collection=collection, actor=ACTOR)
    run_jobs()
    assert set(Negative.objects.values_list("model", "original")) == {(second.pk, None)}
    assert seen(collection, 0).person_id != crowd[0].pk
    event_delete(event=Event.objects.get(pk=events[0].pk), actor=ACTOR)
    assert seen(collection, 0).person_id == crowd[0].pk


def test_merged_person_keeps_rejections_of_both_models(
    engine: VersionedEngine, collection: Collection, crowd: list[Person], second: ModelVersion
) -> None:
    begun(collection, second)
    event = visit(engine, collection, crowd[0], 0)
    event_review(event=event, review="rejected", actor=ACTOR)
    person_merge(into=crowd[1], person=crowd[0], actor=ACTOR)
    assert set(Negative.objects.values_list("person", flat=True)) == {crowd[1].pk}
    assert Negative.objects.count() == 2


def test_events_are_seen_by_the_new_model_and_can_be_enrolled(
    collection: Collection, crowd: list[Person], second: ModelVersion
) -> None:
    event = make_event(collection, number=50)
    change = begun(collection, second)
    assert (change.events_done, change.events_lost) == (1, 0)
    assert EventVector.objects.get().model == second
    model_change_switch(collection=collection, actor=ACTOR)
    person, outcome = event_enrol(event=event, name="New", actor=ACTOR)
    assert outcome.accepted
    assert person is not None
    assert seen(collection, 50).person_id == person.pk
    model_change_let_go(collection=collection, actor=ACTOR)
    run_jobs()
    event.refresh_from_db()
    assert event.model == second
    assert not EventVector.objects.exists()


def test_erased_person_is_gone_from_both_models(
    collection: Collection, crowd: list[Person], second: ModelVersion
) -> None:
    Collection.objects.update(decider="svm")
    make_event(person=crowd[0], number=0)
    begun(collection, second)
    assert TrainedDecider.objects.filter(model=second).exists()
    gallery_of(now(collection).seen_by(second))
    person_erase(person=crowd[0], actor=ACTOR)
    assert not Template.objects.filter(image__person=crowd[0].pk).exists()
    assert not EventVector.objects.exists()
    for row in TrainedDecider.objects.all():
        assert row.svm is not None
        assert str(crowd[0].pk) not in row.svm.people
    model_change_switch(collection=collection, actor=ACTOR)
    assert seen(collection, 0).decision != "match"


def test_svm_of_the_new_model_decides_after_the_switch(
    collection: Collection, crowd: list[Person], first: ModelVersion, second: ModelVersion
) -> None:
    from recognition.people.rules import decider_in_force
    from recognition.people.services.deciders import decider_train

    Collection.objects.update(decider="svm")
    decider_train(collection=collection, actor=ACTOR)
    begun(collection, second)
    assert set(TrainedDecider.objects.values_list("model", flat=True)) == {first.pk, second.pk}
    model_change_switch(collection=collection, actor=ACTOR)
    assert decider_in_force(now(collection)) == "svm"
    assert seen(collection, 1).person_id == crowd[1].pk
    assert not gallery_of(now(collection)).ranks_by_similarity
    TrainedDecider.objects.filter(model=first).delete()
    TrainedDecider.objects.filter(model=second).delete()
    assert decider_in_force(now(collection)) == "nearest"
