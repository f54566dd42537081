"""The job of an import: plan an item for each photo, then enrol or refuse them one by one.

The job may be killed at any moment. The outcome of an item is written in the transaction that
stores its image, so a later attempt continues with the first item that has no outcome.
"""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import TypeAlias

from django.db.models import F
from django.utils import timezone

from accounts.audit import record
from recognition.bulk.archives.checks import open_archive
from recognition.bulk.archives.collection import CollectionArchive, is_collection
from recognition.bulk.archives.photos import PhotoArchive
from recognition.bulk.archives.pieces import opened
from recognition.bulk.archives.planned import PlannedPhoto
from recognition.bulk.models import ImportItem, ImportRun
from recognition.bulk.selectors import outcome_counts
from recognition.bulk.services.erased import erased_refuse
from recognition.bulk.services.faces import face_take_over
from recognition.bulk.services.imports import import_close
from recognition.bulk.services.outcomes import Overtaken, mark_refused
from recognition.bulk.services.photos import photo_enrol
from recognition.bulk.services.uploads import upload_locked
from recognition.jobs.context import JobCancelled, JobContext
from recognition.jobs.kinds import JsonObject
from recognition.people.models import Collection, FaceImage
from recognition.people.services.enrolment import collection_for_enrolment
from recognition.people.services.inspection import PictureRefused
from recognition.web.errors import ServiceError, not_found
from recognition.web.files import remove
from recognition.web.transactions import in_transaction

logger = logging.getLogger(__name__)

_BATCH = 200
# A photo with which more attempts began is refused: it may be what kills the workers.
_MOST_TRIES = 3

Contents: TypeAlias = PhotoArchive | CollectionArchive


def import_job(context: JobContext, parameters: JsonObject) -> JsonObject:
    """The function of the job that enrols an archive. The import is closed if it is cancelled or
    refused as a whole. It stays open if only this attempt ends."""
    run = (
        ImportRun.objects.select_related("collection__embedder", "archive")
        .filter(pk=str(parameters["import"]))
        .first()
    )
    if run is None:
        raise not_found("import")
    if run.state == ImportRun.State.OVER and run.job_id == context.job_id:
        return _closed_before(run)
    try:
        if run.archive is None:
            raise ServiceError("import_over", "This import is over.", status=409)
        with opened(run.archive) as file, open_archive(file) as archive:
            _run(context, run, archive)
    except JobCancelled:
        import_close(run)
        raise
    except ServiceError as error:
        if error.status < 500:
            import_close(run, refusal=error)
        raise
    return _end(context, run)


def _closed_before(run: ImportRun) -> JsonObject:
    """What the worker would have told that was killed after it closed the import."""
    if run.refusal_code:
        raise ServiceError(run.refusal_code, run.refusal_message, status=409)
    return dict(outcome_counts(run))


def _run(context: JobContext, run: ImportRun, archive: zipfile.ZipFile) -> None:
    collection = collection_for_enrolment(run.collection_id)
    contents: Contents
    if is_collection(archive):
        contents = CollectionArchive(archive, collection.embedder.version)
        context.log(f"The archive is an export of a collection with {contents.model}.")
    else:
        contents = PhotoArchive(archive)
    if not run.is_planned:
        _plan(context, run, contents.planned())
    _enrol_all(context, run, collection, contents)


def _plan(context: JobContext, run: ImportRun, photos: Iterable[PlannedPhoto]) -> None:
    """Make an item for each photo. Items that a killed attempt made are deleted first."""
    run.items.all().delete()
    left, found = iter(photos), 0
    while batch := list(islice(left, _BATCH)):
        in_transaction(partial(_insert, context, run, found, batch))
        found += len(batch)
        context.progress(0.0, f"{found} photos found")

    def planned() -> None:
        context.check()
        ImportRun.objects.filter(pk=run.pk).update(is_planned=True)

    in_transaction(planned)


def _insert(
    context: JobContext, run: ImportRun, number: int, photos: Sequence[PlannedPhoto]
) -> None:
    context.check()
    # Locked: an erasure either finds these items, or its people are known here.
    photos = erased_refuse(upload_locked(run), photos)
    items = [_item(run, number, photo) for number, photo in enumerate(photos, start=number)]
    ImportItem.objects.bulk_create(items)


def _item(run: ImportRun, number: int, photo: PlannedPhoto) -> ImportItem:
    is_refused = bool(photo.code)
    return ImportItem(
        run=run,
        number=number,
        path=photo.path[:500],
        person_key=photo.person_key,
        who=photo.who,
        places=photo.places,
        sha256=photo.sha256,
        state=ImportItem.State.REFUSED if is_refused else ImportItem.State.PENDING,
        code=photo.code,
        message=photo.message,
        done_at=timezone.now() if is_refused else None,
    )


def _enrol_all(
    context: JobContext, run: ImportRun, collection: Collection, contents: Contents
) -> None:
    pending = run.items.filter(state=ImportItem.State.PENDING).order_by("number")
    total = run.items.count()
    done = total - pending.count()
    _go_on(context, pending.first())
    while items := list(pending[:_BATCH]):
        for item in items:
            with suppress(Overtaken):
                _enrol(context, run, item, collection, contents)
            done += 1
            context.progress(done / total, f"{done} of {total} photos")


def _enrol(
    context: JobContext,
    run: ImportRun,
    item: ImportItem,
    collection: Collection,
    contents: Contents,
) -> None:
    if item.tries > _MOST_TRIES:
        refused = PictureRefused("worker_lost", "The worker ended each time at this photo.")
        mark_refused(context, item, refused)
    elif isinstance(contents, PhotoArchive):
        photo_enrol(context, run, item, collection, partial(contents.read, item))
    else:
        face_take_over(context, run, item, collection, partial(contents.read, item))


def _go_on(context: JobContext, item: ImportItem | None) -> None:
    """Prepare the first photo without an outcome: count that an attempt begins with it, and remove
    files that killed attempts wrote for it."""
    if item is None:
        return

    def count() -> None:
        context.check()
        ImportItem.objects.filter(pk=item.pk).update(tries=F("tries") + 1)

    in_transaction(count)
    remove(name for attempt in range(1, context.attempt) for name in _files(item, attempt))


def _files(item: ImportItem, attempt: int) -> list[str]:
    """Names of all files that this attempt may have written for the item."""
    item.picture_id = item.file_id(attempt)
    image = FaceImage(pk=item.picture_id)
    return [
        row._meta.get_field(field).generate_filename(row, "")  # type: ignore[union-attr]
        for row, field in ((image, "file"), (image, "original"), (item, "picture"))
    ]


def _end(context: JobContext, run: ImportRun) -> JsonObject:
    counts = outcome_counts(run)

    def end() -> None:
        context.check()
        import_close(run)
        record(context.actor, "import.end", run, collection_id=run.collection_id, codes=counts)

    in_transaction(end)
    return dict(counts)
