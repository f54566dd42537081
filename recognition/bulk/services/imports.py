"""Create imports, receive their archives, and start, close, delete and sweep imports."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from accounts.audit import Actor, record
from recognition.bulk.archives.checks import open_archive
from recognition.bulk.archives.pieces import opened
from recognition.bulk.models import Export, ImportItem, ImportRun
from recognition.bulk.services.archives import (
    UPLOAD_KEPT,
    archive_create,
    archive_remove,
    archives_sweep,
    check_complete,
    files_of,
    folders_below,
    piece_put,
)
from recognition.jobs.models import Job
from recognition.jobs.services import job_cancel, job_start
from recognition.people.models import Collection
from recognition.web.errors import ServiceError, not_found
from recognition.web.files import remove, remove_after_commit
from recognition.web.transactions import in_transaction

# The size of an empty ZIP.
_LEAST_BYTES = 22
_EXPORT_KEPT = timedelta(days=7)
_FOLDER = "imports"


def import_create(*, collection: Collection, name: str, size: int, actor: Actor) -> ImportRun:
    """Make an import that waits for its archive of `size` bytes."""
    if size < _LEAST_BYTES:
        message = "An archive has at least 22 bytes."
        raise ServiceError("not_an_archive", message, status=422)

    def create() -> ImportRun:
        run = ImportRun.objects.create(
            collection_id=collection.pk,
            name=name[:200] or "archive.zip",
            archive=archive_create(size),
            created_by=actor.name[:200],
        )
        record(actor, "import.create", run, collection_id=collection.pk, bytes=size)
        return run

    return in_transaction(create)


def import_piece(*, run: ImportRun, offset: int, data: bytes) -> int:
    """Store the next bytes of the archive; see `piece_put`."""
    if run.state != ImportRun.State.UPLOADING or run.archive is None:
        raise _has_started()
    return piece_put(archive=run.archive, offset=offset, data=data)


def import_finish(*, run: ImportRun, actor: Actor) -> ImportRun:
    """Called when the whole archive has arrived: check it and start the job. A second call changes
    nothing and returns the run.

    ServiceError 409 `archive_incomplete`; 422 if the archive is bad: then the import is deleted.
    """
    if run.state != ImportRun.State.UPLOADING or run.archive is None:
        return run
    check_complete(run.archive)
    try:
        with opened(run.archive) as file:
            open_archive(file).close()
    except ServiceError:
        import_delete(run=run, actor=actor)
        raise

    def start() -> ImportRun:
        row = ImportRun.objects.select_for_update().filter(pk=run.pk).first()
        if row is None:
            raise not_found("import")
        if row.state == ImportRun.State.UPLOADING:
            row.job = job_start(
                kind="import",
                actor=actor,
                parameters={"import": str(row.pk)},
                collection=row.collection_id,
            )
            row.state = ImportRun.State.STARTED
            row.save(update_fields=["job", "state"])
        return row

    return in_transaction(start)


def import_close(
    run: ImportRun, *, code: str = "cancelled", refusal: ServiceError | None = None
) -> None:
    """End the import: refuse the photos that are still pending with `code`, and remove the archive.
    refusal: why it was refused as a whole; its code is used."""
    if refusal is not None:
        code = refusal.code

    def close() -> None:
        row = ImportRun.objects.select_for_update().filter(pk=run.pk).first()
        if row is None or row.state == ImportRun.State.OVER:
            return
        pending = row.items.filter(state=ImportItem.State.PENDING)
        pending.update(
            state=ImportItem.State.REFUSED,
            code=code,
            message="The import ended before this photo.",
            done_at=timezone.now(),
        )
        archive_remove(row.archive)
        row.state, row.archive, row.ended_at = ImportRun.State.OVER, None, timezone.now()
        if refusal is not None:
            row.refusal_code, row.refusal_message = refusal.code[:64], refusal.message[:500]
        row.save()

    in_transaction(close)


def import_settle(run: ImportRun) -> bool:
    """Close the import if its job has ended without closing it: the job was cancelled before it
    ran, or its workers died. True if this call closed the import."""
    if run.state != ImportRun.State.STARTED or (run.job is not None and run.job.is_open):
        return False
    is_cancelled = run.job is not None and run.job.state == Job.State.CANCELLED
    import_close(run, code="cancelled" if is_cancelled else "job_lost")
    return True


def import_cancel(*, run: ImportRun, actor: Actor) -> None:
    """Cancel the job of the import. Enrolled photos stay. ServiceError 409 `job_ended`."""
    if run.job is None:
        raise ServiceError("job_ended", "The import has no job to cancel.", status=409)
    job_cancel(job=run.job, actor=actor)
    run.refresh_from_db()
    import_settle(run)


def import_delete(*, run: ImportRun, actor: Actor) -> None:
    """Delete the import, its archive, its report and its kept photos. People who were enrolled
    stay. ServiceError 409 `job_open` if its job has not ended."""

    def delete() -> None:
        row = ImportRun.objects.select_for_update().filter(pk=run.pk).first()
        if row is None:
            return
        if row.job is not None and row.job.is_open:
            raise ServiceError("job_open", "Cancel the job of the import first.", status=409)
        record(actor, "import.delete", row, collection_id=row.collection_id)
        _forget(row)

    in_transaction(delete)


def bulk_sweep() -> int:
    """Close imports whose job is gone, and delete abandoned uploads, old reports and exports, and
    files without rows. Returns their number."""
    now = timezone.now()
    started = ImportRun.objects.filter(state=ImportRun.State.STARTED).select_related("job")
    over = sum(import_settle(run) for run in started)
    stale = ImportRun.objects.filter(
        state=ImportRun.State.UPLOADING, archive__updated_at__lt=now - UPLOAD_KEPT
    )
    kept = timedelta(days=settings.IMPORTS_KEPT_DAYS)
    old = ImportRun.objects.filter(state=ImportRun.State.OVER, ended_at__lt=now - kept)
    ended = [*stale, *old]
    for run in ended:
        in_transaction(lambda run=run: _forget(run))  # type: ignore[misc]
    exports = list(Export.objects.filter(created_at__lt=now - _EXPORT_KEPT))
    for export in exports:
        in_transaction(lambda export=export: export_forget(export))  # type: ignore[misc]
    return over + len(ended) + len(exports) + archives_sweep() + _sweep_pictures()


def imports_of_collection_delete(collection: Collection) -> None:
    """Called in the transaction that deletes the collection."""
    for run in ImportRun.objects.filter(collection=collection.pk).select_related("archive"):
        _forget(run)
    for export in Export.objects.filter(collection=collection.pk).select_related("archive"):
        export_forget(export)


def export_forget(export: Export) -> None:
    """Delete the export and its archive. Must be called in a transaction."""
    archive_remove(export.archive)
    export.delete()


def _forget(run: ImportRun) -> None:
    remove_after_commit(run.items.exclude(picture="").values_list("picture", flat=True))
    archive_remove(run.archive)
    run.delete()


def _sweep_pictures() -> int:
    """Remove kept photos whose import is gone; returns their number."""
    folders = folders_below(_FOLDER)
    there = set(ImportRun.objects.filter(pk__in=folders).values_list("pk", flat=True))
    orphans = [name for pk in folders if pk not in there for name in files_of(f"{_FOLDER}/{pk}")]
    remove(orphans)
    return len(orphans)


def _has_started() -> ServiceError:
    message = "The import already has its archive."
    return ServiceError("import_started", message, status=409)
