"""Exports: a job writes a collection to an archive, which can be downloaded."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from io import BufferedWriter
from typing import cast
from uuid import UUID

from django.conf import settings
from django.db.models import Prefetch

from accounts.audit import Actor, record
from recognition.bulk.archives.checks import MOST_ENTRIES
from recognition.bulk.archives.collection import FORMAT, MANIFEST, VERSION, person_line
from recognition.bulk.archives.pieces import chunks_of
from recognition.bulk.models import Archive, Export
from recognition.bulk.services.archives import ArchiveWriter, archive_remove, files_of
from recognition.bulk.services.imports import export_forget
from recognition.jobs.context import JobCancelled, JobContext
from recognition.jobs.kinds import JsonObject
from recognition.jobs.services import job_start
from recognition.people.models import Collection, FaceImage, Person, Template
from recognition.web.errors import ServiceError, not_found
from recognition.web.files import remove
from recognition.web.numbers import utc_text
from recognition.web.transactions import in_transaction

# People in one part of an export. An import reads the templates of one part together.
_PART = 50


def export_start(*, collection: Collection, has_originals: bool, actor: Actor) -> Export:
    """Start a job that writes the collection to an archive."""

    def start() -> Export:
        export = Export.objects.create(
            collection_id=collection.pk, has_originals=has_originals, created_by=actor.name[:200]
        )
        export.job = job_start(
            kind="export",
            actor=actor,
            parameters={"export": str(export.pk)},
            collection=collection.pk,
        )
        export.save(update_fields=["job"])
        record(actor, "collection.export", collection, collection_id=collection.pk,
               export=str(export.pk), originals=has_originals)  # fmt: skip
        return export

    return in_transaction(start)


def export_chunks(*, export: Export, actor: Actor) -> Iterator[bytes]:
    """The bytes of the archive, in chunks. ServiceError 409 `export_incomplete`."""
    if not export.is_complete or export.archive is None:
        message = "The export is not written yet, or a person in it was erased since."
        raise ServiceError("export_incomplete", message, status=409)
    record(actor, "export.download", export, collection_id=export.collection_id)
    return chunks_of(export.archive)


def export_delete(*, export: Export, actor: Actor) -> None:
    """Delete the export and its archive. If its job runs, the job ends."""

    def delete() -> None:
        row = Export.objects.select_for_update().filter(pk=export.pk).first()
        if row is not None:
            record(actor, "export.delete", row, collection_id=row.collection_id)
            export_forget(row)

    in_transaction(delete)


def export_job(context: JobContext, parameters: JsonObject) -> JsonObject:
    """The function of the job that writes an export. Each attempt starts from the beginning."""
    export = _export(str(parameters["export"]))
    try:
        archive = _new_archive(context, export)
        counts = _write(context, export, archive)
    except JobCancelled:
        in_transaction(lambda: archive_remove(_export(export.pk).archive))
        raise

    def complete() -> None:
        context.check()
        if not Export.objects.filter(pk=export.pk, archive=archive).update(is_complete=True):
            raise not_found("export")

    in_transaction(complete)
    return counts


def _new_archive(context: JobContext, export: Export) -> Archive:
    """A new archive. Removes what a killed attempt wrote."""

    def renew() -> tuple[Archive, list[str]]:
        context.check()
        row = _export(export.pk)
        left = files_of(f"archives/{row.archive.pk}") if row.archive else []
        archive_remove(row.archive)
        archive = Archive.objects.create(size=int(settings.MAX_IMPORT_GB * 2**30))
        Export.objects.filter(pk=export.pk).update(archive=archive)
        return archive, left

    archive, left = in_transaction(renew)
    remove(left)
    return archive


def _write(context: JobContext, export: Export, archive: Archive) -> JsonObject:
    collection = Collection.objects.select_related("embedder").get(pk=export.collection_id)
    total = collection.persons.count()
    writer = ArchiveWriter(archive)
    people = images = missing = 0
    # JPEG is compressed already, so pictures are stored without compression.
    with zipfile.ZipFile(cast("BufferedWriter", writer), "w", zipfile.ZIP_STORED) as file:
        file.writestr(MANIFEST, _manifest(collection, export))
        for number, part in enumerate(_parts(collection)):
            lines = bytearray()
            for person in part:
                rows = [(image, list(image.templates.all())) for image in person.images.all()]
                stored = [row for row in rows if _add_files(file, row[0], number, export)]
                lines += person_line(person, stored)
                images, missing = images + len(stored), missing + len(rows) - len(stored)
            file.writestr(f"people/{number:06d}.jsonl", bytes(lines), zipfile.ZIP_DEFLATED)
            people += len(part)
            context.progress(people / max(1, total), f"{people} of {total} people")
            if len(file.filelist) > MOST_ENTRIES:
                message = f"An export may have {MOST_ENTRIES:,} files at most."
                raise ServiceError("export_too_large", message, status=409)
    writer.finish()
    return {"people": people, "images": images, "missing_files": missing, "bytes": archive.size}


def _parts(collection: Collection) -> Iterator[list[Person]]:
    """All people in order of their ids, so that people who are added or erased meanwhile cause no
    gap and no repetition."""
    templates = Prefetch("templates", Template.objects.select_related("model", "detector"))
    images = Prefetch("images", FaceImage.objects.order_by("pk").prefetch_related(templates))
    people = Person.objects.filter(collection=collection).order_by("pk").prefetch_related(images)
    last: UUID | None = None
    while part := list((people.filter(pk__gt=last) if last else people)[:_PART]):
        yield part
        last = part[-1].pk


def _add_files(file: zipfile.ZipFile, image: FaceImage, part: int, export: Export) -> bool:
    """Add the files of an image. False if its picture is gone."""
    try:
        with image.file.open("rb") as opened:
            file.writestr(f"faces/{part:06d}/{image.pk}.jpg", opened.read())
        if export.has_originals and image.original:
            with image.original.open("rb") as opened:
                file.writestr(f"originals/{part:06d}/{image.pk}.jpg", opened.read())
    except FileNotFoundError:
        return False
    return True


def _manifest(collection: Collection, export: Export) -> bytes:
    told = {
        "format": FORMAT,
        "version": VERSION,
        "collection": {"id": str(collection.pk), "name": collection.name},
        "model": collection.embedder.version,
        "has_originals": export.has_originals,
        "created_at": utc_text(export.created_at),
    }
    return json.dumps(told, ensure_ascii=False, indent=2).encode()


def _export(pk: str | UUID) -> Export:
    export = Export.objects.select_related("archive").filter(pk=pk).first()
    if export is None:
        raise not_found("export")
    return export
