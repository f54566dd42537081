"""Run one job: take its lease, call its function, and store how it ended."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection
from dataclasses import dataclass

from django.db import InterfaceError, OperationalError, connection
from django.db.models import F, Q

from ml_engine.types import EngineError
from recognition.jobs.context import (
    JobCancelled,
    JobContext,
    WorkerStopping,
    when_database_is_back,
)
from recognition.jobs.kinds import KINDS, JsonObject, Kind
from recognition.jobs.models import Job
from recognition.jobs.payloads import job_publish
from recognition.jobs.services import job_ended
from recognition.web.errors import ServiceError
from recognition.web.leases import (
    DatabaseTime,
    Lease,
    LeaseKeeper,
    LeaseLost,
    free_or_lapsed,
    release,
    take,
)
from recognition.web.process import process
from recognition.web.transactions import in_transaction

logger = logging.getLogger(__name__)

# Number of candidates to try: another worker may take the first ones at the same moment.
_LOOK_AT = 8
_LONGEST_WAIT_S = 600.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended. wait_s: pause before the next attempt, if the job is queued again.
    counts: whether it counts as an attempt."""

    state: Job.State
    message: str = ""
    error_code: str = ""
    result: JsonObject | None = None
    wait_s: float = 0.0
    counts: bool = True


def run_next(kinds: Collection[str], stopping: threading.Event) -> bool:
    """Take the oldest job of these kinds that is due, or whose worker died, and run it. False if
    there is none. DatabaseError or InterfaceError if the database is away."""
    taken = _take(kinds)
    if taken is None:
        return False
    job, lease = taken
    kept = process().part(LeaseKeeper).keep(Job.objects.filter(pk=job.pk), lease)
    context = JobContext(job, kept, stopping)
    try:
        outcome = _attempt(job, KINDS[job.kind], context)
        if outcome.message:
            context.note(outcome.message)
        # If the process ends before the database is back, the lease lapses.
        when_database_is_back(lambda: _end(job, lease, outcome, context.log_text), stopping)
    except LeaseLost:
        logger.warning("job %s (%s) was taken over by another worker", job.pk, job.kind)
    finally:
        kept.drop()
    return True


def _take(kinds: Collection[str]) -> tuple[Job, Lease] | None:
    due = Q(state=Job.State.QUEUED, run_after__lte=DatabaseTime())
    open_ = Job.objects.filter(state__in=Job.OPEN, kind__in=kinds)  # the index is on the state
    rows = open_.filter(due | Q(state=Job.State.RUNNING))
    candidates = free_or_lapsed(rows).order_by("id").values_list("pk", flat=True)[:_LOOK_AT]
    for pk in list(candidates):
        lease = take(
            rows.filter(pk=pk),
            owner=process().id,
            state=Job.State.RUNNING,
            attempts=F("attempts") + 1,
            started_at=DatabaseTime(),
            progress=0.0,
            message="",
        )
        if lease is not None:
            return Job.objects.get(pk=pk), lease
    return None


def _attempt(job: Job, kind: Kind, context: JobContext) -> Outcome:
    """Run the job's function. LeaseLost if another worker has taken over the job."""
    if job.cancel_requested:
        return Outcome(Job.State.CANCELLED)
    if job.attempts > kind.max_attempts:
        message = f"Its worker ended {kind.max_attempts} times before the job was done."
        return Outcome(Job.State.FAILED, message, "worker_lost", counts=False)
    context.note(f"Attempt {job.attempts} of {kind.max_attempts} in {process().id}.")
    try:
        context.begin()
        result = kind.load()(context, job.parameters)
    except LeaseLost:
        raise
    except JobCancelled:
        return Outcome(Job.State.CANCELLED)
    except WorkerStopping:
        return Outcome(Job.State.QUEUED, counts=False)
    except ServiceError as error:
        return _refused(error, job, kind)
    except Exception as error:
        if _is_connection_lost(error):
            logger.warning("job %s (%s) lost the database: %s", job.pk, job.kind, error)
            return _failed("database_unavailable", "The database went away.", job, kind)
        logger.exception("job %s (%s) failed", job.pk, job.kind)
        return _failed("error", _told(error), job, kind)
    return Outcome(Job.State.DONE, result=result)


def _is_connection_lost(error: Exception) -> bool:
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    return connection.connection is None or not connection.is_usable()


def _told(error: Exception) -> str:
    """The error as text, without paths of this machine, which only the server's log contains."""
    if isinstance(error, EngineError):
        return error.message
    what = error.strerror if isinstance(error, OSError) else error
    return f"{type(error).__name__}: {what}"


def _refused(error: ServiceError, job: Job, kind: Kind) -> Outcome:
    """A refusal (4xx) would come again, so the job fails. After a 5xx it is tried again later."""
    if error.status < 500:
        return Outcome(Job.State.FAILED, error.message, error.code)
    return _failed(error.code, error.message, job, kind)


def _failed(code: str, message: str, job: Job, kind: Kind) -> Outcome:
    if job.attempts >= kind.max_attempts:
        return Outcome(Job.State.FAILED, message, code)
    wait_s = min(_LONGEST_WAIT_S, kind.retry_after_s * 2 ** (job.attempts - 1))
    return Outcome(Job.State.QUEUED, message, code, wait_s=wait_s)


def _end(job: Job, lease: Lease, outcome: Outcome, log: str) -> None:
    rows = Job.objects.filter(pk=job.pk)
    is_over = outcome.state != Job.State.QUEUED
    changes: dict[str, object] = {
        "state": outcome.state,
        "message": outcome.message[:300],
        "error_code": outcome.error_code,
        "result": outcome.result,
        "log": log,
        "attempts": job.attempts if outcome.counts else job.attempts - 1,
    }
    if outcome.state == Job.State.DONE:
        changes["progress"] = 1.0
    if is_over:
        changes |= {"unique_key": None, "ended_at": DatabaseTime()}
    else:
        changes["run_after"] = DatabaseTime(outcome.wait_s)

    def write() -> None:
        if not release(rows, lease, **changes):
            raise LeaseLost
        if is_over:
            job_ended(job, outcome.state)

    in_transaction(write)
    logger.info("job %s (%s): %s %s", job.pk, job.kind, outcome.state, outcome.message)
    job_publish(rows.get())
