"""A model change whose workers are killed at each step goes on, and is switched and let go."""

from __future__ import annotations

import signal
from collections import Counter

import pytest

from recognition.events.models import EventVector
from recognition.events.services.events import event_review
from recognition.jobs.models import Job
from recognition.people.index import gallery_of
from recognition.people.model_versions import ensure_model_version
from recognition.people.models import Collection, ModelChange, Negative, Template, TrainedDecider
from recognition.people.services.model_changes import (
    model_change_let_go,
    model_change_start,
    model_change_switch,
)
from tests.factories import ACTOR, enrol, make_collection, make_event, make_person
from tests.fakes import FakeEngine
from tests.recognition.bulk.conftest import start_worker  # noqa: F401
from tests.recognition.jobs.workers import StartWorker, has_ended, wait_for

pytestmark = pytest.mark.django_db(transaction=True)

_CANDIDATES = "recognition.people.services.candidates"
_JOB = "recognition.events.services.model_change_job"
# In the order of the job: each worker gets further than the one before.
STEPS = (
    f"{_CANDIDATES}._add_templates:after:1",  # within the transaction
    f"{_CANDIDATES}._embed_batch:after:1",  # committed
    f"{_JOB}.negative_copy:after:1",
    f"{_JOB}.vector_put:after:1",  # within the transaction
    f"{_JOB}.rules_prepare:after:1",
    f"{_JOB}.mark_ready:after:1",
)
REMOVAL = (
    f"{_JOB}.templates_remove:after:1",
    f"{_JOB}._remove_vectors:after:1",  # within the transaction
    f"{_JOB}.change_end:after:1",
)


@pytest.fixture
def collection(engine: FakeEngine) -> Collection:
    """Thirty people with two photos each, a rejected visit, and an unknown one."""
    collection = make_collection(decider="svm")
    people = [make_person(collection, name=f"P{number}") for number in range(30)]
    for number, person in enumerate(people):
        enrol(person, number, number)
    rejected = make_event(person=people[0], number=0)
    event_review(event=rejected, review="rejected", actor=ACTOR)
    make_event(collection, number=200)
    return collection


def _run(start_worker: StartWorker, steps: tuple[str, ...]) -> Job:  # noqa: F811
    for step in steps:
        assert start_worker(KILL_AT=step).wait(60) == -signal.SIGKILL, step
    worker = start_worker()
    job = Job.objects.filter(kind="model_change").latest("pk")
    wait_for(lambda: has_ended(job))
    worker.kill()
    job.refresh_from_db()
    assert (job.state, job.error_code) == (Job.State.DONE, ""), job.log
    return job


def test_model_change_whose_workers_are_killed_at_every_step_ends_complete(
    collection: Collection,
    start_worker: StartWorker,  # noqa: F811
) -> None:
    dlib, before = ensure_model_version("dlib_resnet"), collection.embedder_id
    change = model_change_start(collection=collection, model=dlib, actor=ACTOR)
    job = _run(start_worker, STEPS)
    assert job.attempts == len(STEPS) + 1
    change.refresh_from_db()
    assert (change.state, change.losses.count()) == (ModelChange.State.READY, 0)
    assert Counter(Template.objects.values_list("model", flat=True)) == {before: 60, dlib.pk: 60}
    assert Counter(Negative.objects.values_list("model", flat=True)) == {before: 1, dlib.pk: 1}
    assert EventVector.objects.filter(model=dlib).count() == 2
    assert TrainedDecider.objects.filter(model=dlib).count() == 1
    model_change_switch(collection=collection, actor=ACTOR)
    collection = Collection.objects.select_related("embedder").get(pk=collection.pk)
    assert gallery_of(collection).size == (30, 60)
    model_change_let_go(collection=collection, actor=ACTOR)
    _run(start_worker, REMOVAL)
    assert set(Template.objects.values_list("model", flat=True)) == {dlib.pk}
    assert set(Negative.objects.values_list("model", "original")) == {(dlib.pk, None)}
    assert not EventVector.objects.exists()
    change.refresh_from_db()
    assert change.ended_at is not None
