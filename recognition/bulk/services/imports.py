"""Create imports, and start, close, cancel, delete and sweep them."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from accounts.audit import Actor, record
from recognition.bulk.archives.checks import open_archive
from recognition.bulk.archives.pieces import opened
from recognition.bulk.models import Export, ImportItem, ImportRun
from recognition.bulk.services.archives import (
    archive_create,
    archive_remove,
    archives_sweep,
    check_complete,
    files_of,
    folders_below,
)
from recognition.bulk.services.uploads import (
    upload_close,
    upload_delete,
    upload_drop_file,
    upload_start,
    uploads_sweep,
)
from recognition.jobs.owners import owner_cancel
from recognition.people.models import Collection
from recognition.web.errors import ServiceError
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

    return upload_start(upload=run, actor=actor)


def import_close(
    run: ImportRun, *, code: str = "cancelled", refusal: ServiceError | None = None
) -> None:
    """End the import: refuse the photos that are still pending with `code`, and remove the archive.
    refusal: why it was refused as a whole; its code is used."""
    if refusal is not None:
        code = refusal.code

    def end(row: ImportRun) -> None:
        pending = row.items.filter(state=ImportItem.State.PENDING)
        pending.update(
            state=ImportItem.State.REFUSED,
            code=code,
            message="The import ended before this photo.",
            done_at=timezone.now(),
        )
        upload_drop_file(row)
        row.erased = []
        if refusal is not None:
            row.refusal_code, row.refusal_message = refusal.code[:64], refusal.message[:500]

    upload_close(run, end)


def import_close_left(run: ImportRun) -> None:
    """Close the import after its job has ended without doing so."""
    import_close(run, code="cancelled" if run.is_job_cancelled else "job_lost")


def import_cancel(*, run: ImportRun, actor: Actor) -> None:
    """Cancel the job of the import. Enrolled photos stay. ServiceError 409 `job_ended`."""
    owner_cancel(run, import_close_left, actor=actor)


def import_delete(*, run: ImportRun, actor: Actor) -> None:
    """Delete the import, its archive, its report and its kept photos. People who were enrolled
    stay. ServiceError 409 `job_open` if its job has not ended."""
    upload_delete(upload=run, actor=actor, forget=_forget)


def bulk_sweep() -> int:
    """Close imports whose job is gone, and delete abandoned uploads, old reports and exports, and
    files without rows. Returns their number."""
    imports = uploads_sweep(
        ImportRun, kept_days=settings.IMPORTS_KEPT_DAYS, close=import_close_left, forget=_forget
    )
    exports = list(Export.objects.filter(created_at__lt=timezone.now() - _EXPORT_KEPT))
    for export in exports:
        in_transaction(lambda export=export: export_forget(export))  # type: ignore[misc]
    return imports + len(exports) + archives_sweep() + _sweep_pictures()


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
