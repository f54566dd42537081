"""A job as JSON, the same for REST, for the socket and for the script of the admin."""

from __future__ import annotations

from typing import Literal, TypedDict

from recognition.jobs.kinds import KINDS, JsonObject, title_of
from recognition.jobs.models import Job
from recognition.notices.publish import publish_job
from recognition.web.numbers import utc_text


class JobError(TypedDict):
    code: str
    message: str


class JobPayload(TypedDict):
    """progress: 0 to 1. Times are UTC with Z. attempts: started so far, out of max_attempts."""

    id: str
    kind: str
    title: str
    collection: str | None
    state: str
    progress: float
    message: str
    result: JsonObject | None
    error: JobError | None
    cancel_requested: bool
    attempts: int
    max_attempts: int
    created_by: str
    created_at: str
    run_after: str
    started_at: str | None
    ended_at: str | None


class JobMessage(TypedDict):
    """Sent by the socket `/ws/jobs/` each time a job changes."""

    type: Literal["job"]
    job: JobPayload


class JobDetail(JobPayload):
    """The answer for one job, with fields that lists and the socket leave out."""

    parameters: JsonObject
    log: str


def job_payload(job: Job) -> JobPayload:
    kind = KINDS.get(job.kind)
    has_failed = job.state == Job.State.FAILED
    return {
        "id": str(job.pk),
        "kind": job.kind,
        "title": title_of(job.kind),
        "collection": str(job.collection_id) if job.collection_id else None,
        "state": job.state,
        "progress": round(job.progress, 4),
        "message": job.message,
        "result": job.result,
        "error": {"code": job.error_code, "message": job.message} if has_failed else None,
        "cancel_requested": job.cancel_requested,
        "attempts": job.attempts,
        "max_attempts": kind.max_attempts if kind else job.attempts,
        "created_by": job.created_by,
        "created_at": utc_text(job.created_at),
        "run_after": utc_text(job.run_after),
        "started_at": utc_text(job.started_at) if job.started_at else None,
        "ended_at": utc_text(job.ended_at) if job.ended_at else None,
    }


def job_publish(job: Job) -> None:
    """Send the present state of the job to the pages that follow it. Never raises."""
    publish_job(job_payload(job), collection_id=job.collection_id)


def job_detail(job: Job) -> JobDetail:
    return {**job_payload(job), "parameters": job.parameters, "log": job.log}
