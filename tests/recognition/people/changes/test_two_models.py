"""A collection keeps two models side by side, and cameras name either."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.db import transaction

from ml_engine.types import EngineBusy
from recognition.cameras.services.cameras import camera_create, camera_update
from recognition.events.services.upkeep import upkeep
from recognition.people.model_versions import curve_in_use, curve_store
from recognition.people.models import (
    Calibration,
    Collection,
    ModelVersion,
    Person,
    Template,
    TrainedDecider,
)
from recognition.people.rules import Counted, rules_of
from recognition.people.selectors import model_named, models_of
from recognition.people.services import calibration
from recognition.people.services.calibration import measuring_start
from recognition.people.services.collections import collection_update
from recognition.people.services.deciders import deciders_retrain
from recognition.people.services.identification import identify
from recognition.people.services.model_changes import (
    model_change_cancel,
    model_change_let_go,
    model_change_roll_back,
    model_change_start,
    model_change_switch,
)
from recognition.people.services.persons import person_erase, person_merge
from tests.factories import ACTOR, enrol, make_camera, make_collection, make_person
from tests.fakes import photo
from tests.recognition.jobs.runs import run_jobs
from tests.recognition.people.changes.changing import begun, now, refused, seen
from tests.recognition.people.changes.conftest import PEOPLE
from tests.versioned_models import VersionedEngine

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("engine")]


def _seen_by(collection: Collection, model: ModelVersion, number: int) -> Any:
    result = identify(collection=now(collection).seen_by(model), data=photo(number), actor=ACTOR)
    assert result.model == model.version
    return result.faces[0]


def _threshold(collection: Collection) -> float:
    return rules_of(collection, Counted((PEOPLE, 2 * PEOPLE))).threshold


def test_face_is_named_by_either_model_without_a_switch(
    collection: Collection, crowd: list[Person], first: ModelVersion, second: ModelVersion
) -> None:
    begun(collection, second)
    assert models_of(now(collection)) == [first, second]
    for model in (first, second):
        assert _seen_by(collection, model, 3).person_id == crowd[3].pk


def test_person_enrolled_erased_and_merged_later_is_so_for_both_models(
    collection: Collection, crowd: list[Person], first: ModelVersion, second: ModelVersion
) -> None:
    begun(collection, second)
    ann = make_person(collection, name="Ann")
    enrol(ann, 70)
    person_erase(person=crowd[0], actor=ACTOR)
    person_merge(into=crowd[2], person=crowd[1], actor=ACTOR)
    for model in (first, second):
        assert _seen_by(collection, model, 70).person_id == ann.pk
        assert _seen_by(collection, model, 0).person_id is None
        assert _seen_by(collection, model, 1).person_id == crowd[2].pk


def test_face_that_the_second_model_missed_is_embedded_by_the_upkeep(
    engine: VersionedEngine,
    collection: Collection,
    crowd: list[Person],
    second: ModelVersion,
) -> None:
    begun(collection, second)
    person = make_person(collection, name="Late")
    engine.faults[second.version] = EngineBusy()
    enrol(person, 80)
    engine.faults.clear()
    mine = Template.objects.filter(image__person=person, model=second)
    assert not mine.exists()
    upkeep()
    run_jobs()
    assert mine.count() == 1
    assert _seen_by(collection, second, 80).person_id == person.pk


def test_each_model_has_its_own_fixed_threshold(
    collection: Collection, crowd: list[Person], first: ModelVersion, second: ModelVersion
) -> None:
    begun(collection, second)
    collection_update(collection=collection, actor=ACTOR, match_threshold=0.9)
    from_curve = _threshold(now(collection).seen_by(second))
    assert from_curve < 0.9
    collection_update(collection=collection, actor=ACTOR, candidate_threshold=0.5)
    assert _threshold(now(collection).seen_by(second)) == 0.5
    for move, mine, theirs in (
        (model_change_switch, 0.5, 0.9),
        (model_change_roll_back, 0.9, 0.5),
        (model_change_switch, 0.5, 0.9),
    ):
        move(collection=collection, actor=ACTOR)
        row = now(collection)
        assert (row.match_threshold, row.candidate_threshold) == (mine, theirs)
    model_change_let_go(collection=collection, actor=ACTOR)
    assert now(collection).candidate_threshold is None


def test_roll_back_brings_no_fixed_threshold_of_former_scores_back(
    collection: Collection, crowd: list[Person], first: ModelVersion, second: ModelVersion
) -> None:
    begun(collection, second)
    collection_update(
        collection=collection, actor=ACTOR, match_threshold=0.9, candidate_threshold=0.5
    )
    model_change_switch(collection=collection, actor=ACTOR)
    curve = curve_in_use(first)
    assert curve is not None
    with transaction.atomic():
        curve_store(first, replace(curve, normalisation="another"), ACTOR)
    model_change_roll_back(collection=collection, actor=ACTOR)
    row = now(collection)
    assert (row.match_threshold, row.candidate_threshold) == (None, 0.5)


def test_rules_of_a_second_model_are_refused_without_one(collection: Collection) -> None:
    for rule in ({"candidate_threshold": 0.5}, {"candidate_own_curve": True}):
        refused("no_second_model", collection_update, collection=collection, **rule)
    collection_update(collection=collection, actor=ACTOR, candidate_threshold=None)


def test_own_curve_of_the_second_model_needs_a_measurement(
    collection: Collection, crowd: list[Person], second: ModelVersion
) -> None:
    begun(collection, second)
    change = {"candidate_own_curve": True}
    refused("not_calibrated", collection_update, collection=collection, **change)


def test_collection_is_measured_and_trained_with_both_models(
    collection: Collection,
    crowd: list[Person],
    first: ModelVersion,
    second: ModelVersion,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun(collection, second)
    Collection.objects.update(decider="svm")
    measured: list[ModelVersion] = []

    def measure(*, model: ModelVersion, **options: Any) -> Calibration:
        measured.append(model)
        return Calibration(figures={"people": 1, "templates": 1})

    monkeypatch.setattr(calibration, "people_needed", lambda: 2)
    monkeypatch.setattr(calibration, "collection_calibrate", measure)
    measuring_start(collection=now(collection), actor=ACTOR)
    assert deciders_retrain() == 1
    run_jobs()
    assert measured == [first, second]
    assert set(TrainedDecider.objects.values_list("model", flat=True)) == {first.pk, second.pk}
    assert deciders_retrain() == 0
    enrol(make_person(collection, name="Ann"), 70)
    assert deciders_retrain() == 1
    run_jobs()
    people = set(TrainedDecider.objects.values_list("people", flat=True))
    assert people == {PEOPLE + 1}


class TestCameras:
    def test_camera_names_the_second_model_once_it_is_complete(
        self, collection: Collection, crowd: list[Person], second: ModelVersion
    ) -> None:
        camera = make_camera(collection)
        model_change_start(collection=collection, model=second, actor=ACTOR)
        refused("not_a_model_of_the_collection", camera_update, camera=camera, model=second)
        run_jobs()
        assert camera_update(camera=camera, actor=ACTOR, model=second).model == second
        assert camera_update(camera=camera, actor=ACTOR, model=None).model is None

    def test_camera_names_no_model_of_another_collection(
        self, collection: Collection, crowd: list[Person], second: ModelVersion
    ) -> None:
        begun(collection, second)
        other = make_collection()
        error = "not_a_model_of_the_collection"
        refused(error, camera_create, collection=other, name="Gate", model=second)
        camera = camera_create(collection=collection, name="Gate", model=second, actor=ACTOR)
        refused(error, camera_update, camera=camera, collection=other)
        moved = camera_update(camera=camera, collection=other, model=None, actor=ACTOR)
        assert (moved.collection, moved.model) == (other, None)

    @pytest.mark.parametrize("is_switched", [False, True])
    def test_model_that_a_camera_names_is_not_let_go(
        self,
        collection: Collection,
        crowd: list[Person],
        first: ModelVersion,
        second: ModelVersion,
        is_switched: bool,
    ) -> None:
        begun(collection, second)
        goes, end = second, model_change_cancel
        if is_switched:
            model_change_switch(collection=collection, actor=ACTOR)
            goes, end = first, model_change_let_go
        camera = make_camera(collection, name="Gate", model=goes)
        error = refused("model_named_by_cameras", end, collection=collection)
        assert error.details["cameras"] == ["Gate"]
        assert now(collection).candidate == goes
        camera_update(camera=camera, actor=ACTOR, model=None)
        end(collection=collection, actor=ACTOR)
        run_jobs()
        assert now(collection).candidate is None

    def test_embedder_that_a_camera_names_is_not_changed(
        self, collection: Collection, first: ModelVersion, second: ModelVersion
    ) -> None:
        make_camera(collection, model=first)
        code = "model_named_by_cameras"
        refused(code, collection_update, collection=collection, embedder=second)


def test_two_versions_of_one_name_are_named_by_version(
    collection: Collection, crowd: list[Person], second: ModelVersion
) -> None:
    begun(collection, second)
    row = now(collection)
    assert model_named(row, second.version) == second
    refused("not_a_model_of_the_collection", lambda actor: model_named(row, second.name))


def test_answer_of_the_model_in_force_is_as_before(
    collection: Collection, crowd: list[Person], second: ModelVersion
) -> None:
    before = [seen(collection, number).similarity for number in range(3)]
    begun(collection, second)
    make_camera(collection, model=second)
    assert [seen(collection, number).similarity for number in range(3)] == before
