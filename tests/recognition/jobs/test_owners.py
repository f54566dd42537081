"""Rows whose work a job does: closed once, no matter how their job ends."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.apps import apps
from django.utils import timezone

from recognition.bulk.models import Export, ImportRun
from recognition.bulk.services.imports import bulk_sweep, import_cancel
from recognition.events.models import Clip, Recording
from recognition.events.services.recordings import recording_cancel, recordings_sweep
from recognition.jobs.models import Job, JobOwner
from recognition.jobs.services import job_start
from recognition.people.models import Collection
from recognition.training.models import TrainingRun
from recognition.training.services.runs import training_run_cancel, training_sweep
from recognition.web.errors import ServiceError
from tests.factories import ACTOR, make_collection

pytestmark = pytest.mark.django_db(transaction=True)


def _import(collection: Collection) -> ImportRun:
    job = job_start(kind="import", actor=ACTOR, collection=collection.pk)
    return ImportRun.objects.create(collection=collection, state="started", job=job)


def _recording(collection: Collection) -> Recording:
    job = job_start(kind="recording", actor=ACTOR, collection=collection.pk)
    return Recording.objects.create(
        collection=collection, state="started", job=job, recorded_at=timezone.now()
    )


def _training(collection: Collection) -> TrainingRun:
    job = job_start(kind="training", actor=ACTOR, collection=collection.pk)
    return TrainingRun.objects.create(collection=collection, task="train", settings={}, job=job)


Make = Callable[[Collection], JobOwner]
_KINDS = pytest.mark.parametrize(
    ("make", "sweep", "ended"),
    [
        (_import, bulk_sweep, "over"),
        (_recording, recordings_sweep, "over"),
        (_training, training_sweep, "failed"),
    ],
)
_CANCELS = pytest.mark.parametrize(
    ("make", "cancel", "ended"),
    [
        (_import, lambda row: import_cancel(run=row, actor=ACTOR), "over"),
        (_recording, lambda row: recording_cancel(recording=row, actor=ACTOR), "over"),
        (_training, lambda row: training_run_cancel(run=row, actor=ACTOR), "cancelled"),
    ],
)


def test_every_row_with_a_job_and_a_state_is_an_owner_of_it() -> None:
    owners = {
        model
        for model in apps.get_models()
        if any(field.related_model is Job for field in model._meta.get_fields())
    }
    # An export has no state, and a clip is there before its job.
    assert {model for model in owners if not issubclass(model, JobOwner)} == {Export, Clip}


@_KINDS
def test_row_whose_job_was_deleted_is_left_and_closed_by_the_sweep(
    make: Make, sweep: Callable[[], int], ended: str
) -> None:
    row = make(make_collection())
    assert (row.is_left, sweep()) == (False, 0)
    Job.objects.all().delete()
    row.refresh_from_db()
    assert row.is_left
    if isinstance(row, TrainingRun):
        assert row.state_now == "failed"
    assert sweep() == 1
    row.refresh_from_db()
    assert (row.state, row.is_left, row.ended_at is not None) == (ended, False, True)


@_CANCELS
def test_row_with_a_queued_job_is_closed_by_the_cancel(
    make: Make, cancel: Callable[[JobOwner], None], ended: str
) -> None:
    row = make(make_collection())
    cancel(row)
    row.refresh_from_db()
    assert row.job is not None
    assert (row.state, row.job.state) == (ended, Job.State.CANCELLED)
    with pytest.raises(ServiceError) as refused:
        cancel(row)
    assert refused.value.code == "job_ended"


@_CANCELS
def test_row_with_a_running_job_is_left_to_it_by_the_cancel(
    make: Make, cancel: Callable[[JobOwner], None], ended: str
) -> None:
    row = make(make_collection())
    Job.objects.update(state=Job.State.RUNNING)
    row.refresh_from_db()
    cancel(row)
    row.refresh_from_db()
    assert row.state != ended
    assert not row.may_be_cancelled
