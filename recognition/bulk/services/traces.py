"""Erase or merge a person's data in imports and exports.

Each function runs in the transaction that has locked the collection and the people.
"""

from __future__ import annotations

import logging
import zipfile

from django.db.models import Q
from django.utils import timezone

from recognition.bulk.archives.blanking import photos_blank
from recognition.bulk.archives.collection import is_list_of_people, original_of
from recognition.bulk.archives.photos import FOLDER_KEY
from recognition.bulk.models import Export, ImportItem, ImportRun
from recognition.bulk.services.archives import archive_remove
from recognition.bulk.services.imports import export_forget
from recognition.people.models import Collection, Person
from recognition.people.traces import Traced
from recognition.web.errors import ServiceError

logger = logging.getLogger(__name__)


def imports_forget(collection: Collection, person: Person) -> Traced:
    """Items of the person keep only their outcome: file name, values and kept photo are removed.
    Pending photos of the person are refused, and all photos of the person are overwritten in an
    archive that is still read. All exports of the collection are deleted, because they contain the
    person's face."""
    items = ImportItem.objects.filter(run__collection=collection.pk, person=person)
    running = ImportRun.objects.filter(collection=collection.pk).exclude(archive=None)
    runs = list(running.select_related("archive"))
    for run in runs:
        _refuse_pending(run, person)
    for run_id, key in set(items.values_list("run_id", "person_key")):
        # Include photos that were refused before the row of the person was made.
        ImportItem.objects.filter(run=run_id, person_key=key).update(person=person)
    for run in runs:
        _blank(run, set(items.filter(run=run).values_list("path", flat=True)))
    pictures = list(items.exclude(picture="").values_list("picture", flat=True))
    emptied = items.update(person=None, image=None, path="", person_key="", who={}, picture="")
    exports = list(Export.objects.filter(collection=collection.pk).select_related("archive"))
    for export in exports:
        export_forget(export)
    return Traced({"import_items": emptied, "exports": len(exports)}, tuple(pictures))


def _refuse_pending(run: ImportRun, person: Person) -> None:
    """Refuse the photos that the import would enrol for the person, and give them to the person. It
    finds people as `known_person` does."""
    same = Q(person_key__in=run.items.filter(person=person).values("person_key"))
    if person.external_id:
        same |= Q(who__external_id=person.external_id)
        same |= Q(person_key=f"{FOLDER_KEY}{person.external_id}")
    same |= Q(who__name=person.name) & ~Q(who__has_key="external_id")
    pending = run.items.filter(state=ImportItem.State.PENDING)
    numbers = list(pending.filter(same).values_list("pk", flat=True))
    pending.filter(pk__in=numbers).update(
        person=person,
        state=ImportItem.State.REFUSED,
        code="person_erased",
        message="The person was erased while the import ran.",
        done_at=timezone.now(),
    )


def _blank(run: ImportRun, paths: set[str]) -> None:
    """Overwrite these photos in the archive. If it cannot be read, it is removed, and then the
    import ends."""
    photos = {path for path in paths if not is_list_of_people(path)}
    if run.archive is None or not photos:
        return
    try:
        photos_blank(run.archive, photos | {original_of(path) for path in photos})
    except (ServiceError, zipfile.BadZipFile):
        logger.warning("the archive of the import %s cannot be read: it is removed", run.pk)
        archive_remove(run.archive)


def imports_move(collection: Collection, source: Person, target: Person) -> Traced:
    items = ImportItem.objects.filter(run__collection=collection.pk, person=source)
    return Traced({"import_items": items.update(person=target)})
