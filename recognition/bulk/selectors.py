"""Reads of imports and exports, limited to what a caller may see."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db.models import Count, OuterRef, QuerySet

from accounts.access import Access
from recognition.bulk.models import Export, ImportItem, ImportRun
from recognition.web.counts import row_count
from recognition.web.visible import limited, one


def imports_list(access: Access, *, collection: UUID | None = None) -> QuerySet[ImportRun]:
    rows = limited(ImportRun.objects.select_related("collection", "archive", "job"), access)
    return rows.filter(collection=collection) if collection is not None else rows


def import_by_id(access: Access, import_id: UUID) -> ImportRun:
    return one(imports_list(access), import_id, "import")


def items_list(
    run: ImportRun, *, state: str | None = None, code: str | None = None
) -> QuerySet[ImportItem]:
    """The items of an import, in the order of the archive."""
    wanted = {"state": state, "code": code}
    rows = run.items.select_related("person")
    return rows.filter(**{name: value for name, value in wanted.items() if value is not None})


def item_by_number(run: ImportRun, number: int) -> ImportItem | None:
    return run.items.select_related("run__collection").filter(number=number).first()


def outcome_counts(run: ImportRun) -> dict[str, int]:
    """Number of photos by outcome: `enrolled`, `pending`, and each code of refusal."""
    return outcome_counts_of([run])[run.pk]


def outcome_counts_of(runs: Sequence[ImportRun]) -> dict[UUID, dict[str, int]]:
    """The same of several imports, by id, in one query."""
    rows = ImportItem.objects.filter(run__in=runs).order_by().values_list("run", "state", "code")
    found: dict[UUID, dict[str, int]] = {run.pk: {} for run in runs}
    for run, state, code, count in rows.annotate(n=Count("pk")):
        found[run][code if state == ImportItem.State.REFUSED else state] = count
    return found


def with_photo_counts(runs: QuerySet[ImportRun]) -> QuerySet[ImportRun]:
    """Adds `photos`, and how many of them are `enrolled`. Only the imports that are read are
    counted."""
    items = ImportItem.objects.filter(run=OuterRef("pk"))
    enrolled = items.filter(state=ImportItem.State.ENROLLED)
    return runs.annotate(photos=row_count(items), enrolled=row_count(enrolled))


def exports_list(access: Access) -> QuerySet[Export]:
    return limited(Export.objects.select_related("collection", "archive", "job"), access)


def export_by_id(access: Access, export_id: UUID) -> Export:
    return one(exports_list(access), export_id, "export")
