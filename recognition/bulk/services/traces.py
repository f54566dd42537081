"""What imports and exports hold of a person who is erased or merged.

Each function runs within the transaction that holds the locks of collection and people.
"""

from __future__ import annotations

from django.utils import timezone

from recognition.bulk.models import Export, ImportItem
from recognition.bulk.services.imports import export_forget
from recognition.people.models import Collection, Person
from recognition.people.traces import Traced


def imports_forget(collection: Collection, person: Person) -> Traced:
    """Items keep their outcome alone, without file name, values and kept photo. Photos that are
    still to come are refused. Exports of the collection go: they hold the person's face."""
    items = ImportItem.objects.filter(run__collection=collection.pk, person=person)
    for run_id, key in set(items.values_list("run_id", "person_key")):
        same = ImportItem.objects.filter(run=run_id, person_key=key)
        same.filter(state=ImportItem.State.PENDING).update(
            state=ImportItem.State.REFUSED,
            code="person_erased",
            message="The person was erased while the import ran.",
            done_at=timezone.now(),
        )
        # Also photos that were refused before there was a row of the person.
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
