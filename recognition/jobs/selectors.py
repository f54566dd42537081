"""Reading jobs, limited to what a caller may see."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from accounts.access import Access
from recognition.jobs.kinds import KINDS
from recognition.jobs.models import Job
from recognition.web.errors import not_found


def may_see(access: Access, *, kind: str, collection: UUID | str | None) -> bool:
    """Whether the caller may start such jobs; a key that is limited to a collection sees what
    belongs to that collection alone."""
    return kind in KINDS and access.may(KINDS[kind].scope) and access.may_use_collection(collection)


def jobs_list(
    access: Access,
    *,
    kind: str | None = None,
    state: str | None = None,
    collection: UUID | None = None,
) -> QuerySet[Job]:
    """Newest first."""
    rows = Job.objects.filter(kind__in=[k for k in KINDS if access.may(KINDS[k].scope)])
    if access.collection_id is not None:
        rows = rows.filter(collection_id=access.collection_id)
    wanted = {"kind": kind, "state": state, "collection_id": collection}
    return rows.filter(**{name: value for name, value in wanted.items() if value is not None})


def job_by_id(access: Access, job_id: UUID) -> Job:
    job = jobs_list(access).filter(pk=job_id).first()
    if job is None:
        raise not_found("job")
    return job


def open_job(kind: str, collection: UUID) -> Job | None:
    """The job of a single kind that waits or runs."""
    rows = Job.objects.filter(kind=kind, collection_id=collection, state__in=Job.OPEN)
    return rows.first()
