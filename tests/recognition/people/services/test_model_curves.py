"""What the curve of an evaluation changes in collections, and what its preview says."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.core.management import call_command
from django.test import Client

from accounts.models import AuditEntry
from ml_engine.matching.cohort import PLAIN
from recognition.jobs.models import Job
from recognition.jobs.services import job_start
from recognition.people.index import gallery_of
from recognition.people.model_versions import curve_in_use, detector_in_use
from recognition.people.models import Collection, ModelVersion
from recognition.people.rules import rules_of
from recognition.people.services import model_curves
from recognition.people.services.model_curves import curve_effects, evaluated_curve_use
from tests.factories import ACTOR, make_calibration, make_collection
from tests.normalised import normalised, usual_crowd
from tests.recognition.admin_pages import address, page

pytestmark = pytest.mark.django_db


def waiting(version: ModelVersion) -> ModelVersion:
    """An evaluation left a curve of other scores."""
    curve = curve_in_use(version)
    assert curve is not None
    other = normalised(curve, replace(PLAIN, crowd=usual_crowd()))
    version.evaluated_curves = {detector_in_use(): other.to_dict()}
    version.save()
    return version


def test_preview_of_a_curve_tells_fixed_thresholds_that_go_and_changes_nothing(
    collection: Collection,
) -> None:
    Collection.objects.update(match_threshold=0.5)
    fixed = {"match_threshold": 0.5, "candidate_threshold": 0.6}
    second = make_collection(
        embedder="dlib_resnet", name="Second", candidate=collection.embedder, **fixed
    )
    version = waiting(collection.embedder)
    before = list(Collection.objects.values())
    effects = {effect.collection.name: effect for effect in curve_effects(version)}
    assert list(Collection.objects.values()) == before
    assert [effects[row.name].now for row in (collection, second)] == [0.5, 0.6]
    assert all(each.removes_fixed and not each.measures for each in effects.values())
    evaluated_curve_use(version=version, actor=ACTOR)
    collection.refresh_from_db()
    assert collection.match_threshold is None
    threshold = rules_of(collection, gallery_of(collection)).threshold
    assert threshold == effects[collection.name].then
    second.refresh_from_db()
    assert (second.match_threshold, second.candidate_threshold) == (0.5, None)
    noted = AuditEntry.objects.filter(action="collection.scores_change")
    removed = {entry.collection_id: entry.details["removed_threshold"] for entry in noted}
    assert removed == {collection.pk: 0.5, second.pk: 0.6}


def test_previews_of_a_curve_name_what_is_lost(
    administrator: Client, collection: Collection, capsys: pytest.CaptureFixture[str]
) -> None:
    make_calibration(collection)
    Collection.objects.update(match_threshold=0.5, uses_own_curve=True)
    version = waiting(collection.embedder)
    call_command("models", "use-curve", version.version, "--dry-run")
    assert "Main: set by hand, 0.500, then 0." in (told := capsys.readouterr().out)
    assert "measured again" in told
    text = page(administrator.get(address("people_modelversion_evaluate", version.pk)))
    assert "<td>0.500, set by hand: it is removed</td>" in text
    assert "until it is measured again" in text
    collection.refresh_from_db()
    assert collection.match_threshold == 0.5


def test_collection_with_its_own_curve_is_measured_again_for_the_new_scores(
    collection: Collection,
) -> None:
    make_calibration(collection)
    Collection.objects.update(uses_own_curve=True)
    version = waiting(collection.embedder)
    (effect,) = curve_effects(version)
    assert (effect.removes_fixed, effect.measures) == (False, True)
    assert not Job.objects.exists()
    evaluated_curve_use(version=version, actor=ACTOR)
    collection.refresh_from_db()
    rules = rules_of(collection, gallery_of(collection))
    assert (rules.curve_source, rules.threshold) == ("model", effect.then)
    job = Job.objects.get()
    assert (job.kind, job.collection_id) == ("measure", collection.pk)
    noted = AuditEntry.objects.get(action="collection.scores_change")
    assert (noted.collection_id, noted.details["measures"]) == (collection.pk, True)


def test_collection_that_is_being_measured_is_measured_once_more_for_the_new_scores(
    collection: Collection,
) -> None:
    make_calibration(collection)
    Collection.objects.update(uses_own_curve=True)
    running = job_start(kind="measure", collection=collection.pk, actor=ACTOR)
    Job.objects.update(state=Job.State.RUNNING)
    evaluated_curve_use(version=waiting(collection.embedder), actor=ACTOR)
    assert Job.objects.get() == running
    running.refresh_from_db()
    assert running.runs_again


def test_curve_of_the_same_scores_leaves_own_curves_and_fixed_thresholds(
    collection: Collection,
) -> None:
    make_calibration(collection)
    Collection.objects.update(uses_own_curve=True, match_threshold=0.5)
    curve = curve_in_use(collection.embedder)
    model_curves.model_curve_update(preset="mobilefacenet", curve=curve, actor=ACTOR)
    collection.refresh_from_db()
    assert collection.match_threshold == 0.5
    assert not Job.objects.exists()
    assert not AuditEntry.objects.filter(action="collection.scores_change").exists()
