"""Cancel the job of a row, and close rows whose job has ended without closing them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from accounts.audit import Actor
from recognition.jobs.models import JobOwner
from recognition.jobs.services import job_cancel
from recognition.web.errors import ServiceError

Owner = TypeVar("Owner", bound=JobOwner)


def owner_cancel(row: Owner, close: Callable[[Owner], None], *, actor: Actor) -> None:
    """Cancel the job of the row. A queued job ends at once, and its row with it; a running one
    closes its row at its next step. ServiceError 409 `job_ended`."""
    if row.job is None:
        raise ServiceError("job_ended", "There is no job to cancel.", status=409)
    if not job_cancel(job=row.job, actor=actor).is_open:
        row.refresh_from_db()
        close(row)


def owner_settle(row: Owner, close: Callable[[Owner], None]) -> bool:
    """Close the row if its job has ended without doing so. True if this call closed it."""
    if not row.is_left:
        return False
    close(row)
    return True


def owners_settle(model: type[Owner], close: Callable[[Owner], None]) -> int:
    """Close all such rows; returns their number."""
    waiting = model._default_manager.filter(state=model.WAITING).select_related("job")
    return sum(owner_settle(row, close) for row in waiting)


def refuse_open_job(row: JobOwner) -> None:
    """ServiceError 409 `job_open` if the row's job has not ended."""
    if row.job is not None and row.job.is_open:
        raise ServiceError("job_open", "Cancel its job first.", status=409)
