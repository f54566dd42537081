"""Erase or merge a person's data in imports and exports.

Each function runs in the transaction that has locked the collection and the people.
"""

from __future__ import annotations

from django.utils import timezone

from recognition.bulk.models import Export, ImportItem
from recognition.bulk.services.imports import export_forget
from recognition.people.models import Collection, Person
from recognition.people.traces import Traced


def imports_forget(collection: Collection, person: Person) -> Traced:
    """Items of the person keep only their outcome: file name, values and kept photo are removed.
    Pending photos of the person are refused. All exports of the collection are deleted, because
    they contain the person's face."""
    items = ImportItem.objects.filter(run__collection=collection.pk, person=person)
    for run_id, key in set(items.values_list("run_id", "person_key")):
        same = ImportItem.objects.filter(run=run_id, person_key=key)
        same.filter(state=ImportItem.State.PENDING).update(
            state=ImportItem.State.REFUSED,
            code="person_erased",
            message="The person was erased while the import ran.",
            done_at=timezone.now(),
        )
        # Include photos that were refused before the row of the person was made.
        same.update(person=person)
    pictures = list(items.exclude(picture="").values_list("picture", flat=True))
    emptied = items.update(person=None, image=None, path="", person_key="", who={}, picture="")
    exports = list(Export.objects.filter(collection=collection.pk).select_related("archive"))
    for export in exports:
        export_forget(export)
    return Traced({"import_items": emptied, "exports": len(exports)}, tuple(pictures))


def imports_move(collection: Collection, source: Person, target: Person) -> Traced:
    items = ImportItem.objects.filter(run__collection=collection.pk, person=source)
    return Traced({"import_items": items.update(person=target)})
