"""Jobs are started, cancelled, retried, repeated and pruned."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from accounts.audit import SYSTEM
from accounts.models import AuditEntry
from recognition.jobs.kinds import KINDS
from recognition.jobs.models import Job
from recognition.jobs.selectors import newest_job
from recognition.jobs.services import (
    job_cancel,
    job_retry,
    job_start,
    jobs_prune,
    queue_periodic,
)
from recognition.notices.models import Notice
from recognition.web.errors import ServiceError
from recognition.web.identifiers import uuid7
from tests.factories import ACTOR
from tests.recognition.jobs.kinds_for_tests import TEST_KINDS
from tests.recognition.jobs.runs import run_jobs

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("kinds_for_tests")]


def start(kind: str = "count", **values: object) -> Job:
    parameters = {"steps": 1, "pause_s": 0, "status": 409}
    return job_start(kind=kind, actor=ACTOR, parameters=parameters, **values)  # type: ignore[arg-type]


def test_start_puts_a_job_in_the_queue_and_in_the_audit_log() -> None:
    job = start(collection=uuid7())
    assert (job.state, job.attempts, job.created_by) == ("queued", 0, "user:tester")
    entry = AuditEntry.objects.get(action="job.start")
    assert (entry.target_id, entry.details) == (str(job.pk), {"kind": "count"})
    assert entry.collection_id == job.collection_id


def test_start_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ServiceError, match="no kind"):
        start("nonsense")
    assert not Job.objects.exists()


def test_single_kind_has_one_open_job_for_each_collection() -> None:
    one, other = uuid7(), uuid7()
    first = start("sleep", collection=one)
    assert start("sleep", collection=one) == first
    assert start("sleep", collection=other) != first
    assert newest_job("sleep", one) == first
    assert start("count", collection=one) != start("count", collection=one)
    run_jobs()
    again = start("sleep", collection=one)
    assert again != first
    assert newest_job("sleep", one) == again


def test_single_kind_started_by_many_at_once_is_one_job() -> None:
    found: list[Job] = []
    barrier = threading.Barrier(6)

    def start_it() -> None:
        barrier.wait()
        found.append(start("sleep"))
        connections.close_all()

    threads = [threading.Thread(target=start_it) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({job.pk for job in found}) == 1
    assert Job.objects.count() == 1
    assert AuditEntry.objects.filter(action="job.start").count() == 1


def test_cancel_of_a_queued_job_is_done_at_once() -> None:
    job = job_cancel(job=start("sleep"), actor=ACTOR)
    assert (job.state, job.unique_key) == ("cancelled", None)
    assert job.ended_at is not None
    assert AuditEntry.objects.filter(action="job.cancel").count() == 1
    assert run_jobs() == 0


def test_cancel_of_a_running_job_is_asked_for() -> None:
    job = start()
    Job.objects.update(state=Job.State.RUNNING)
    cancelled = job_cancel(job=job, actor=ACTOR)
    assert (cancelled.state, cancelled.cancel_requested) == ("running", True)


def test_cancel_of_an_ended_job_is_refused() -> None:
    job = start()
    run_jobs()
    with pytest.raises(ServiceError, match="ended already"):
        job_cancel(job=job, actor=ACTOR)
    assert Job.objects.get().state == Job.State.DONE
    assert not AuditEntry.objects.filter(action="job.cancel").exists()


def test_retry_queues_the_same_job_once() -> None:
    job = start("refuse", collection=uuid7())
    with pytest.raises(ServiceError, match="not ended"):
        job_retry(job=job, actor=ACTOR)
    run_jobs()
    job.refresh_from_db()
    again = job_retry(job=job, actor=SYSTEM)
    assert again.pk == job.pk
    assert (again.state, again.attempts, again.created_by) == ("queued", 0, "system")
    assert (again.error_code, again.ended_at) == ("", None)
    with pytest.raises(ServiceError, match="not ended"):
        job_retry(job=job, actor=ACTOR)
    assert run_jobs() == 1


def test_retry_of_a_single_kind_is_a_new_job() -> None:
    job = start("sleep", collection=uuid7())
    run_jobs()
    job.refresh_from_db()
    again = job_retry(job=job, actor=SYSTEM)
    assert again.pk != job.pk
    assert (again.parameters, again.collection_id) == (job.parameters, job.collection_id)


def test_periodic_kind_is_queued_once_whatever_the_number_of_processes() -> None:
    for _ in range(3):
        queue_periodic()
    assert Job.objects.get().kind == "upkeep"


def test_end_of_a_periodic_job_queues_the_next_one_an_hour_later() -> None:
    queue_periodic()
    assert run_jobs() == 1
    queue_periodic()
    waiting = Job.objects.get(state=Job.State.QUEUED)
    assert Job.objects.get(state=Job.State.DONE).kind == waiting.kind == "upkeep"
    wait = waiting.run_after - timezone.now()
    assert timedelta(minutes=59) < wait < timedelta(minutes=61)


def test_cancelled_periodic_job_comes_again_an_hour_later() -> None:
    queue_periodic()
    job_cancel(job=Job.objects.get(), actor=ACTOR)
    assert run_jobs() == 0
    assert Job.objects.get(state=Job.State.QUEUED).run_after > timezone.now()


def test_start_of_a_periodic_kind_makes_the_waiting_job_due() -> None:
    queue_periodic()
    run_jobs()
    job = job_start(kind="upkeep", actor=ACTOR)
    assert job.run_after <= timezone.now() + timedelta(seconds=1)
    assert run_jobs() == 1


def test_end_of_a_job_is_a_notice() -> None:
    collection = uuid7()
    jobs = [start("refuse", collection=collection), start(), start("sleep")]
    job_cancel(job=jobs[2], actor=ACTOR)
    run_jobs()
    notices = Notice.objects.values_list("kind", "subject_id", "collection_id")
    assert set(notices) == {("job.ended", job.pk, job.collection_id) for job in jobs}


def test_periodic_job_is_a_notice_only_if_it_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    queue_periodic()
    run_jobs()
    assert not Notice.objects.exists()
    monkeypatch.setitem(KINDS, "upkeep", replace(TEST_KINDS["refuse"], every=timedelta(hours=1)))
    Job.objects.filter(state=Job.State.QUEUED).update(run_after=timezone.now())
    run_jobs()
    assert Notice.objects.get().kind == "job.ended"


def test_prune_removes_what_ended_long_ago() -> None:
    kept, old, open_ = start(), start(), start()
    periodic = [Job.objects.create(kind="upkeep", run_after=timezone.now()) for _ in range(2)]
    now = timezone.now()

    def ended(job: Job, days: int, state: str = Job.State.DONE) -> None:
        Job.objects.filter(pk=job.pk).update(state=state, ended_at=now - timedelta(days=days))

    ended(kept, 29)
    ended(old, 31)
    ended(periodic[0], 3)
    ended(periodic[1], 3, Job.State.FAILED)
    assert jobs_prune() == 2
    assert set(Job.objects.all()) == {kept, open_, periodic[1]}
