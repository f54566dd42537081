"""Reading jobs, limited to what a caller may see."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count, Min, QuerySet
from django.utils import timezone

from accounts.access import Access
from recognition.jobs.kinds import KINDS
from recognition.jobs.models import Job
from recognition.web.visible import limited, one


def may_see(access: Access, *, kind: str, collection: UUID | str | None) -> bool:
    """True if the caller may start such jobs. A key that is limited to a collection sees only the
    jobs of that collection."""
    return kind in KINDS and access.may(KINDS[kind].scope) and access.may_use_collection(collection)


def jobs_list(
    access: Access,
    *,
    kind: str | None = None,
    state: str | None = None,
    collection: UUID | None = None,
) -> QuerySet[Job]:
    """The jobs that the caller may see, newest first."""
    kinds = [name for name in KINDS if access.may(KINDS[name].scope)]
    rows = limited(Job.objects.filter(kind__in=kinds), access)
    wanted = {"kind": kind, "state": state, "collection_id": collection}
    return rows.filter(**{name: value for name, value in wanted.items() if value is not None})


def job_by_id(access: Access, job_id: UUID) -> Job:
    return one(jobs_list(access), job_id, "job")


def newest_job(kind: str, collection: UUID) -> Job | None:
    """The newest job of this kind for the collection, in any state; None if there is none."""
    return Job.objects.filter(kind=kind, collection_id=collection).first()


@dataclass(frozen=True, slots=True)
class OpenJobs:
    """oldest_s: since the oldest one was due (queued; 0 if it waits for its time) or started."""

    kind: str
    state: str
    count: int
    oldest_s: float


def open_jobs() -> list[OpenJobs]:
    """All jobs that wait or run, by kind and state."""
    rows = Job.objects.filter(state__in=Job.OPEN).order_by().values("kind", "state")
    counted = rows.annotate(count=Count("pk"), due=Min("run_after"), started=Min("started_at"))
    now = timezone.now()
    found = []
    for row in counted:
        since = row["started"] if row["state"] == Job.State.RUNNING else row["due"]
        oldest_s = max(0.0, (now - (since or now)).total_seconds())
        found.append(OpenJobs(row["kind"], row["state"], row["count"], oldest_s))
    return found
