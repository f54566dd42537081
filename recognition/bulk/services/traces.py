"""Erase or merge a person's data in imports and exports.

Each function runs in the transaction that has locked the collection and the people.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from django.utils import timezone

from recognition.bulk.archives.blanking import photos_blank
from recognition.bulk.archives.planned import Place
from recognition.bulk.models import Export, ImportItem, ImportRun
from recognition.bulk.services.archives import archive_remove
from recognition.bulk.services.erased import erased_add, pending_of, shows
from recognition.bulk.services.imports import export_forget
from recognition.people.models import Collection, Person
from recognition.people.traces import Traced
from recognition.web.errors import ServiceError

logger = logging.getLogger(__name__)


def imports_forget(collection: Collection, person: Person) -> Traced:
    """Items of the person keep only their outcome: file name, values and kept photo are removed.
    Pending photos of the person are refused, and all photos of the person are overwritten in an
    archive that is still read. If the photos have no items yet, the import does both when it is
    planned. All exports of the collection are deleted, because they contain the person's face."""
    items = ImportItem.objects.filter(run__collection=collection.pk, person=person)
    running = ImportRun.objects.filter(collection=collection.pk).exclude(archive=None)
    runs = list(running.select_for_update())
    for run in runs:
        if not run.is_planned:
            erased_add(run, person)
        _refuse_pending(run, person)
    # Include photos that were refused before the row of the person was made, and exported faces.
    unclaimed = ImportItem.objects.filter(run__collection=collection.pk, person=None)
    refused = unclaimed.filter(state=ImportItem.State.REFUSED)
    refused.filter(shows(person)).update(person=person)
    for run_id, key in set(items.values_list("run_id", "person_key")):
        refused.filter(run=run_id, person_key=key).update(person=person)
    for run in runs:
        _blank(run, items.filter(run=run).values_list("places", flat=True))
    pictures = list(items.exclude(picture="").values_list("picture", flat=True))
    emptied = items.update(
        person=None, image=None, path="", person_key="", who={}, sha256="", places=[], picture=""
    )
    exports = list(Export.objects.filter(collection=collection.pk).select_related("archive"))
    for export in exports:
        export_forget(export)
    return Traced({"import_items": emptied, "exports": len(exports)}, tuple(pictures))


def _refuse_pending(run: ImportRun, person: Person) -> None:
    """Refuse the photos that the import would enrol for the person, and give them to the person."""
    # MariaDB cannot update a table that the condition reads.
    numbers = list(pending_of(run, person).values_list("pk", flat=True))
    run.items.filter(pk__in=numbers, state=ImportItem.State.PENDING).update(
        person=person,
        state=ImportItem.State.REFUSED,
        code="person_erased",
        message="The person was erased while the import ran.",
        done_at=timezone.now(),
    )


def _blank(run: ImportRun, places: Iterable[list[Place]]) -> None:
    """Overwrite these photos in the archive. If it cannot be read, it is removed, and then the
    import ends."""
    wanted = [place for of_item in places for place in of_item]
    if run.archive is None or not wanted:
        return
    try:
        photos_blank(run.archive, wanted)
    except ServiceError:
        logger.warning("the archive of the import %s cannot be read: it is removed", run.pk)
        archive_remove(run.archive)


def imports_move(collection: Collection, source: Person, target: Person) -> Traced:
    items = ImportItem.objects.filter(run__collection=collection.pk, person=source)
    return Traced({"import_items": items.update(person=target)})
