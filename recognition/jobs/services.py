"""Start, cancel, retry and prune jobs."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q

from accounts.audit import SYSTEM, Actor, record
from recognition.jobs.kinds import KINDS, JsonObject, kind_named
from recognition.jobs.models import Job
from recognition.jobs.payloads import job_publish
from recognition.notices.services.notices import notice_write
from recognition.web.errors import ServiceError, not_found
from recognition.web.leases import DatabaseTime
from recognition.web.metrics import count
from recognition.web.transactions import after_commit, in_transaction

_KEPT = timedelta(days=30)
# Periodic jobs that succeeded are kept for less time: there are many, and they tell little.
_PERIODIC_KEPT = timedelta(days=2)


def job_start(
    *,
    kind: str,
    actor: Actor,
    parameters: JsonObject | None = None,
    collection: UUID | None = None,
    is_input_new: bool = False,
) -> Job:
    """Put a new job in the queue. If the kind is single and the collection has an open job of it,
    return that one; if it waits for its time, it becomes due now.

    is_input_new: this transaction changes what such a job reads, so one that runs already must run
    once more.
    """

    def start() -> Job:
        job = _insert(kind, actor.name, parameters or {}, collection)
        if job is None:
            # If the open job ends at this moment, the second call of `start` can insert a new one.
            key = _unique_key(kind, collection)
            return _open_job(key, is_input_new=is_input_new) or start()
        return _told(job, actor)

    kind_named(kind)
    return in_transaction(start)


def job_cancel(*, job: Job, actor: Actor) -> Job:
    """Cancel a job. A queued job ends at once, a running one at its next step. ServiceError 409
    `job_ended` if it has ended already."""

    def cancel() -> None:
        rows = Job.objects.filter(pk=job.pk)
        is_queued = rows.filter(state=Job.State.QUEUED).update(
            state=Job.State.CANCELLED, unique_key=None, ended_at=DatabaseTime(), runs_again=False
        )
        if is_queued:
            job_ended(job, Job.State.CANCELLED)
        elif not rows.filter(state=Job.State.RUNNING).update(
            cancel_requested=True, runs_again=False
        ):
            raise ServiceError("job_ended", "The job has ended already.", status=409)
        record(actor, "job.cancel", job, collection_id=job.collection_id, kind=job.kind)

    in_transaction(cancel)
    cancelled = _read(job)
    job_publish(cancelled)
    return cancelled


def job_retry(*, job: Job, actor: Actor) -> Job:
    """Queue a job that has ended once more. It stays the same row, because an import, a recording
    or a training names its job. Nothing names one of a single kind: a new job is started.

    ServiceError 409 `job_open` if it has not ended.
    """
    if not job.is_open and kind_named(job.kind).is_single:
        return job_start(kind=job.kind, actor=actor, collection=job.collection_id,
                         parameters=job.parameters)  # fmt: skip

    def again() -> None:
        is_queued = (
            Job.objects.filter(pk=job.pk)
            .exclude(state__in=Job.OPEN)
            .update(
                state=Job.State.QUEUED, run_after=DatabaseTime(), attempts=0, ended_at=None,
                cancel_requested=False, progress=0, message="", error_code="", result=None,
                created_by=actor.name[:200],
            )
        )  # fmt: skip
        if not is_queued:
            raise ServiceError("job_open", "The job has not ended yet.", status=409)
        record(actor, "job.start", job, collection_id=job.collection_id, kind=job.kind)

    in_transaction(again)
    queued = _read(job)
    job_publish(queued)
    return queued


def queue_periodic() -> None:
    """Make sure that each periodic kind has one open job. The end of a job queues the next one, so
    this is needed only for a new database or a new kind. Several processes may call it at once."""
    for name, kind in KINDS.items():
        if kind.every and not Job.objects.filter(unique_key=_unique_key(name, None)).exists():
            _insert(name, SYSTEM.name, {}, None)


def job_ended(job: Job, state: Job.State) -> None:
    """Called in the transaction that ends a job: write a notice, and queue the next job of a
    periodic kind, or of one whose input is new: if it was cancelled, the input that is new since
    then. The success of a periodic job needs no notice."""
    after_commit(partial(count, "facerec_jobs_ended_total", job.kind, state))
    if Job.objects.filter(pk=job.pk, runs_again=True).exists():
        next_job = _insert(job.kind, job.created_by, job.parameters, job.collection_id)
        if next_job is not None:
            _told(next_job, Actor(job.created_by))
    every = KINDS[job.kind].every if job.kind in KINDS else None
    if every is not None:
        _insert(job.kind, SYSTEM.name, {}, None, wait_s=every.total_seconds())
    if every is None or state == Job.State.FAILED:
        notice_write("job.ended", subject_id=job.pk, collection_id=job.collection_id)


def jobs_prune() -> int:
    """Delete jobs that ended long ago; returns how many."""
    periodic = [name for name, kind in KINDS.items() if kind.every]
    went_well = Q(kind__in=periodic, state=Job.State.DONE)
    old = Q(ended_at__lt=DatabaseTime(-_KEPT.total_seconds()))
    not_new = Q(ended_at__lt=DatabaseTime(-_PERIODIC_KEPT.total_seconds()))
    return Job.objects.filter(old | (went_well & not_new)).delete()[0]


def _insert(
    kind: str,
    created_by: str,
    parameters: JsonObject,
    collection: UUID | None,
    *,
    wait_s: float = 0.0,
) -> Job | None:
    """Insert a job; None if the kind is single and has an open job. A unique column of the
    database checks this."""
    try:
        with transaction.atomic():
            job = Job.objects.create(
                kind=kind,
                created_by=created_by[:200],
                parameters=parameters,
                collection_id=collection,
                unique_key=_unique_key(kind, collection),
                run_after=DatabaseTime(wait_s),
            )
    except IntegrityError:
        return None
    return _read(job)


def _told(job: Job, actor: Actor) -> Job:
    """The new job, told to the audit log and to open pages."""
    record(actor, "job.start", job, collection_id=job.collection_id, kind=job.kind)
    after_commit(partial(job_publish, job))
    return job


def _open_job(unique_key: str | None, *, is_input_new: bool) -> Job | None:
    """Make the open job with this key due now and return it; None if it has ended meanwhile."""
    rows = Job.objects.filter(unique_key=unique_key)
    if is_input_new:
        # Also if it is queued: this locks the row, so that it starts after the present transaction.
        rows.update(runs_again=True)
    waiting = rows.filter(state=Job.State.QUEUED, run_after__gt=DatabaseTime())
    waiting.update(run_after=DatabaseTime())
    return rows.first()


def _unique_key(kind: str, collection: UUID | None) -> str | None:
    return f"{kind}:{collection or ''}" if KINDS[kind].is_single else None


def _read(job: Job) -> Job:
    """The job as stored, with the times that the database has set."""
    found = Job.objects.filter(pk=job.pk).first()
    if found is None:
        raise not_found("job")
    return found
