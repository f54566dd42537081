"""A collection's model is changed while everything runs, between two versions under one name."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import AuditEntry
from recognition.events.services.upkeep import upkeep
from recognition.jobs.models import Job
from recognition.people.index import gallery_of
from recognition.people.models import (
    Calibration,
    Collection,
    GalleryProcess,
    ModelChange,
    ModelVersion,
    Person,
    Template,
    TrainedDecider,
)
from recognition.people.services import deciders
from recognition.people.services import model_changes as service
from recognition.people.services.collections import collection_update
from recognition.people.services.model_changes import (
    change_progress,
    model_change_cancel,
    model_change_let_go,
    model_change_roll_back,
    model_change_start,
    model_change_switch,
)
from recognition.people.services.persons import person_erase
from recognition.people.services.reembedding import taking_up_start
from recognition.web.errors import ServiceError
from recognition.web.leases import DatabaseTime
from tests.factories import ACTOR, enrol, make_person
from tests.recognition.jobs.runs import run_jobs
from tests.recognition.people.changes.changing import (
    begun,
    models_of_templates,
    now,
    refused,
    seen,
)
from tests.recognition.people.changes.conftest import PEOPLE
from tests.versioned_models import VersionedEngine

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("engine")]


def test_change_embeds_every_face_by_stored_landmarks(
    engine: VersionedEngine, collection: Collection, crowd: list[Person], second: ModelVersion
) -> None:
    engine.calls = 0
    change = begun(collection, second)
    assert change.state == ModelChange.State.READY
    assert (change.images_done, change.images_total) == (2 * PEOPLE, 2 * PEOPLE)
    assert engine.calls == 0, "no face was detected again"
    assert Template.objects.filter(model=second).count() == 2 * PEOPLE
    assert now(collection).embedder != second


def test_switch_and_rollback_change_the_answers_and_bring_them_back(
    engine: VersionedEngine, collection: Collection, crowd: list[Person], second: ModelVersion
) -> None:
    before = [seen(collection, number).similarity for number in range(PEOPLE)]
    begun(collection, second)
    assert [seen(collection, number).similarity for number in range(PEOPLE)] == before
    model_change_switch(collection=collection, actor=ACTOR)
    engine.embedded.clear()
    after = [seen(collection, number) for number in range(PEOPLE)]
    assert set(engine.embedded) == {second.version}
    assert [face.person_id for face in after] == [person.pk for person in crowd]
    assert [face.similarity for face in after] != before
    model_change_roll_back(collection=collection, actor=ACTOR)
    assert [seen(collection, number).similarity for number in range(PEOPLE)] == before


def test_letting_go_removes_the_former_model(
    collection: Collection, crowd: list[Person], first: ModelVersion, second: ModelVersion
) -> None:
    begun(collection, second)
    model_change_switch(collection=collection, actor=ACTOR)
    assert models_of_templates() == {first.pk, second.pk}
    model_change_let_go(collection=collection, actor=ACTOR)
    assert run_jobs() == 1
    assert models_of_templates() == {second.pk}
    change = ModelChange.objects.get()
    assert change.state == ModelChange.State.DONE
    assert change.ended_at is not None
    assert now(collection).candidate is None
    assert seen(collection, 1).person_id == crowd[1].pk
    verbs = AuditEntry.objects.filter(action__startswith="collection.model_")
    told = [entry.action.partition("model_")[2] for entry in verbs.order_by("pk")]
    assert told == ["start", "switch", "let_go"]


@pytest.mark.parametrize("is_rolled_back", [False, True])
def test_cancelling_removes_the_new_model(
    collection: Collection,
    crowd: list[Person],
    first: ModelVersion,
    second: ModelVersion,
    is_rolled_back: bool,
) -> None:
    begun(collection, second)
    if is_rolled_back:
        model_change_switch(collection=collection, actor=ACTOR)
        model_change_roll_back(collection=collection, actor=ACTOR)
    model_change_cancel(collection=collection, actor=ACTOR)
    assert run_jobs() == 1
    assert models_of_templates() == {first.pk}
    assert ModelChange.objects.get().state == ModelChange.State.CANCELLED
    assert begun(collection, second).state == ModelChange.State.READY, "it can be tried again"


def test_rolled_back_change_can_be_switched_again(
    collection: Collection, crowd: list[Person], second: ModelVersion
) -> None:
    begun(collection, second)
    model_change_switch(collection=collection, actor=ACTOR)
    model_change_roll_back(collection=collection, actor=ACTOR)
    assert model_change_switch(collection=collection, actor=ACTOR).state == "switched"
    assert now(collection).embedder == second


def test_enrolment_during_a_change_writes_both_models(
    collection: Collection, crowd: list[Person], first: ModelVersion, second: ModelVersion
) -> None:
    begun(collection, second)
    late = make_person(now(collection), name="Late")
    enrol(late, 40)
    assert {row.model for row in Template.objects.filter(image__person=late)} == {first, second}
    model_change_switch(collection=collection, actor=ACTOR)
    assert seen(collection, 40).person_id == late.pk
    later = make_person(now(collection), name="Later")
    enrol(later, 41)
    model_change_roll_back(collection=collection, actor=ACTOR)
    assert seen(collection, 41).person_id == later.pk


def test_enrolment_that_overlaps_the_whole_change_is_stored(
    engine: VersionedEngine,
    collection: Collection,
    crowd: list[Person],
    second: ModelVersion,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The face was embedded before the change began, and is stored after the switch."""
    analyze, late = engine.analyze, make_person(collection, name="Late")

    def slow(*args: Any, **options: Any) -> Any:
        found = analyze(*args, **options)
        monkeypatch.setattr(engine, "analyze", analyze)
        begun(collection, second)
        model_change_switch(collection=collection, actor=ACTOR)
        return found

    monkeypatch.setattr(engine, "analyze", slow)
    enrol(late, 40)
    assert Template.objects.filter(image__person=late, model=second).count() == 1
    assert seen(collection, 40).person_id == late.pk


def test_candidate_that_fails_costs_no_enrolment(
    engine: VersionedEngine,
    collection: Collection,
    crowd: list[Person],
    second: ModelVersion,
) -> None:
    begun(collection, second)
    engine.faults[second.version] = ServiceError("engine_failed", "no", status=503)
    enrol(make_person(now(collection)), 40)
    engine.faults.clear()
    refused("images_missing", model_change_switch, collection=collection)
    assert run_jobs() == 1, "the refusal starts the job again"
    model_change_switch(collection=collection, actor=ACTOR)
    assert seen(collection, 40).decision == "match"


def test_lost_faces_must_be_accepted(
    collection: Collection, crowd: list[Person], second: ModelVersion
) -> None:
    image = crowd[0].images.all()[0]
    image.file.storage.delete(str(image.file.name))
    change = begun(collection, second)
    assert change_progress(change).images_lost == 1
    error = refused("images_lost", model_change_switch, collection=collection)
    assert error.details["images"] == 1
    model_change_switch(collection=collection, actor=ACTOR, accepted_losses=1)
    assert gallery_of(now(collection)).size == (PEOPLE, 2 * PEOPLE - 1)


def test_erased_person_leaves_no_loss(
    collection: Collection, crowd: list[Person], second: ModelVersion
) -> None:
    image = crowd[0].images.all()[0]
    image.file.storage.delete(str(image.file.name))
    change = begun(collection, second)
    person_erase(person=crowd[0], actor=ACTOR)
    assert change_progress(change).images_lost == 0
    model_change_switch(collection=collection, actor=ACTOR)


def test_fixed_threshold_belongs_to_its_model(
    collection: Collection, crowd: list[Person], second: ModelVersion
) -> None:
    collection_update(collection=collection, actor=ACTOR, match_threshold=0.123)
    begun(collection, second)
    model_change_switch(collection=collection, actor=ACTOR)
    row = now(collection)
    assert (row.match_threshold, row.candidate_threshold) == (None, 0.123)
    assert seen(collection, 1).threshold > 0.3
    model_change_roll_back(collection=collection, actor=ACTOR)
    assert now(collection).match_threshold == 0.123


def test_switch_waits_for_living_processes_only(
    collection: Collection, crowd: list[Person], second: ModelVersion
) -> None:
    begun(collection, second)
    GalleryProcess.objects.create(name="gone", lease_until=DatabaseTime(-1))
    alive = GalleryProcess.objects.create(name="alive", lease_until=DatabaseTime(60))
    error = refused("galleries_not_loaded", model_change_switch, collection=collection)
    assert error.details["count"] == 1
    alive.loaded.create(collection=collection, model=second)
    change = model_change_switch(collection=collection, actor=ACTOR)
    assert change_progress(change).waiting_for == 0, "the former gallery was in force until now"


def test_rollback_waits_for_no_process_and_no_svm(
    collection: Collection, crowd: list[Person], first: ModelVersion, second: ModelVersion
) -> None:
    Collection.objects.update(decider="svm")
    begun(collection, second)
    model_change_switch(collection=collection, actor=ACTOR)
    assert set(TrainedDecider.objects.values_list("model", flat=True)) == {second.pk}
    GalleryProcess.objects.create(name="new", lease_until=DatabaseTime(60))
    model_change_roll_back(collection=collection, actor=ACTOR)
    assert now(collection).embedder == first


def test_switch_does_not_wait_for_an_svm_that_cannot_be_trained(
    collection: Collection,
    crowd: list[Person],
    second: ModelVersion,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Collection.objects.update(decider="svm")
    deciders.decider_train(collection=collection, actor=ACTOR)
    with monkeypatch.context() as patched:
        patched.setattr(deciders, "MOST_WORK", 1)
        begun(collection, second)
        model_change_switch(collection=collection, actor=ACTOR)
        model_change_roll_back(collection=collection, actor=ACTOR)
    refused("decider_not_trained", model_change_switch, collection=collection)
    run_jobs()
    model_change_switch(collection=collection, actor=ACTOR)


def test_verbs_are_refused_in_the_wrong_state(
    collection: Collection, crowd: list[Person], first: ModelVersion, second: ModelVersion
) -> None:
    refused("no_model_change", model_change_switch, collection=collection)
    refused("model_in_use", model_change_start, collection=collection, model=first)
    change = model_change_start(collection=collection, model=second, actor=ACTOR)
    refused("model_change_open", model_change_start, collection=collection, model=second)
    refused("model_change_not_ready", model_change_switch, collection=collection)
    refused("model_change_not_ready", model_change_roll_back, collection=collection)
    refused("embedder_in_use", collection_update, collection=collection, embedder=second)
    run_jobs()
    refused("model_change_not_ready", model_change_let_go, collection=collection)
    model_change_switch(collection=collection, actor=ACTOR)
    refused("model_change_not_ready", model_change_cancel, collection=collection)
    assert ModelChange.objects.get().pk == change.pk


def test_model_that_cannot_be_loaded_is_refused(
    collection: Collection, crowd: list[Person], second: ModelVersion
) -> None:
    ModelVersion.objects.filter(pk=second.pk).update(file="nowhere.keras")
    second.refresh_from_db()
    refused("model_version_missing", model_change_start, collection=collection, model=second)


def test_model_without_a_curve_is_refused_for_few_people(
    collection: Collection, crowd: list[Person], second: ModelVersion
) -> None:
    ModelVersion.objects.filter(pk=second.pk).update(impostor_curves={})
    second.refresh_from_db()
    refused("no_threshold", model_change_start, collection=collection, model=second)


def test_taking_up_a_version_is_refused_during_a_change(
    collection: Collection, crowd: list[Person], first: ModelVersion, second: ModelVersion
) -> None:
    begun(collection, second)
    ModelVersion.objects.filter(pk=first.pk).update(sha256="0" * 64)
    with pytest.raises(ServiceError) as error:
        taking_up_start(collection=now(collection), actor=ACTOR)
    assert error.value.code in ("model_change_open", "model_unknown")


def test_measurements_of_both_models_are_kept_until_one_goes(
    collection: Collection, crowd: list[Person], second: ModelVersion, monkeypatch: Any
) -> None:
    from tests.factories import make_calibration

    make_calibration(collection)
    make_calibration(now(collection).seen_by(second))
    Collection.objects.update(uses_own_curve=True)
    begun(collection, second)
    model_change_switch(collection=collection, actor=ACTOR)
    assert now(collection).uses_own_curve
    assert Calibration.objects.count() == 2
    model_change_let_go(collection=collection, actor=ACTOR)
    run_jobs()
    assert Calibration.objects.get().model == second


def test_own_curve_is_left_if_the_new_model_was_not_measured(
    collection: Collection, crowd: list[Person], second: ModelVersion
) -> None:
    from tests.factories import make_calibration

    make_calibration(collection)
    Collection.objects.update(uses_own_curve=True)
    change = begun(collection, second)
    assert "78 are needed" in change.error
    model_change_switch(collection=collection, actor=ACTOR)
    assert not now(collection).uses_own_curve
    model_change_roll_back(collection=collection, actor=ACTOR)
    assert now(collection).uses_own_curve


def test_change_counts_the_people_who_would_be_missed(
    collection: Collection, crowd: list[Person], first: ModelVersion, second: ModelVersion
) -> None:
    change = begun(collection, second)
    assert set(change.figures) == {first.version, second.version}
    for figures in change.figures.values():
        assert (figures["people"], figures["missed"]) == (PEOPLE, 0)


def test_upkeep_resumes_a_change_without_a_job(
    collection: Collection, crowd: list[Person], second: ModelVersion
) -> None:
    model_change_start(collection=collection, model=second, actor=ACTOR)
    Job.objects.all().delete()
    assert service.model_changes_resume() == 1
    assert service.model_changes_resume() == 0, "its job is open"
    assert upkeep()["model_changes"] == 0
    run_jobs()
    assert ModelChange.objects.get().state == ModelChange.State.READY


def test_cancelling_during_the_work_removes_what_was_done(
    collection: Collection,
    crowd: list[Person],
    first: ModelVersion,
    second: ModelVersion,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from recognition.people.services import candidates

    store, calls = candidates._add_templates, [0]

    def cancelled(*args: Any) -> None:
        store(*args)
        calls[0] += 1

    def embed(*args: Any) -> Any:
        if calls[0] == 1:
            calls[0] += 1
            model_change_cancel(collection=collection, actor=ACTOR)
        return stored(*args)

    stored = candidates.stored_embedding
    monkeypatch.setattr(candidates, "BATCH", 4)
    monkeypatch.setattr(candidates, "_add_templates", cancelled)
    monkeypatch.setattr(candidates, "stored_embedding", embed)
    model_change_start(collection=collection, model=second, actor=ACTOR)
    assert run_jobs() == 1
    assert models_of_templates() == {first.pk}
    assert ModelChange.objects.get().ended_at is not None
