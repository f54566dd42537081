"""What imports and recordings have in common: a file in pieces, then a job, then an end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from django.utils import timezone

from accounts.audit import Actor, record
from recognition.bulk.models import Upload
from recognition.bulk.services.archives import UPLOAD_KEPT, archive_remove, piece_put
from recognition.jobs.owners import owners_settle, refuse_open_job
from recognition.jobs.services import job_start
from recognition.web.errors import ServiceError, not_found
from recognition.web.transactions import in_transaction

U = TypeVar("U", bound=Upload)


def upload_piece(*, upload: Upload, offset: int, data: bytes) -> int:
    """Store the next bytes of the file; see `piece_put`. ServiceError 409 `import_started` or
    `recording_started`."""
    if upload.state != Upload.State.UPLOADING or upload.archive is None:
        message = f"The {upload.KIND} already has its file."
        raise ServiceError(f"{upload.KIND}_started", message, status=409)
    return piece_put(archive=upload.archive, offset=offset, data=data)


def upload_start(*, upload: U, actor: Actor) -> U:
    """Start the job, once. ServiceError 404 if the upload was deleted meanwhile."""

    def start() -> U:
        row = upload_locked(upload)
        if row.state == Upload.State.UPLOADING:
            row.job = job_start(
                kind=row.KIND,
                actor=actor,
                parameters={row.KIND: str(row.pk)},
                collection=row.collection_id,
            )
            row.state = Upload.State.STARTED
            row.save(update_fields=["job", "state"])
        return row

    return in_transaction(start)


def upload_close(upload: U, end: Callable[[U], None]) -> None:
    """End the upload: `end` changes the locked row. Does nothing if it is over or gone."""

    def close() -> None:
        rows = type(upload)._default_manager.select_for_update().filter(pk=upload.pk)
        row = rows.exclude(state=Upload.State.OVER).first()
        if row is None:
            return
        end(row)
        row.state, row.ended_at = Upload.State.OVER, timezone.now()
        row.save()

    in_transaction(close)


def upload_drop_file(row: Upload) -> None:
    """Remove the file of a locked row. The caller saves the row."""
    archive_remove(row.archive)
    row.archive = None


def upload_delete(*, upload: U, actor: Actor, forget: Callable[[U], None]) -> None:
    """Delete the row by `forget`. ServiceError 404; 409 `job_open` if its job has not ended."""

    def delete() -> None:
        row = upload_locked(upload)
        refuse_open_job(row)
        record(actor, f"{row.KIND}.delete", row, collection_id=row.collection_id)
        forget(row)

    in_transaction(delete)


def uploads_sweep(
    model: type[U], *, kept_days: float, close: Callable[[U], None], forget: Callable[[U], None]
) -> int:
    """Close those whose job is gone, and delete those that get no more pieces or that ended so many
    days ago. Returns their number."""
    now, rows = timezone.now(), model._default_manager
    settled = owners_settle(model, close)
    stale = rows.filter(state=model.State.UPLOADING, archive__updated_at__lt=now - UPLOAD_KEPT)
    old = rows.filter(state=model.State.OVER, ended_at__lt=now - timedelta(days=kept_days))
    ended = [*stale, *old]
    for row in ended:
        in_transaction(lambda row=row: forget(row))  # type: ignore[misc]
    return settled + len(ended)


def upload_locked(upload: U) -> U:
    """The present row, for changes in the same transaction. ServiceError 404."""
    row = type(upload)._default_manager.select_for_update().filter(pk=upload.pk).first()
    if row is None:
        raise not_found(upload.KIND)
    return row
