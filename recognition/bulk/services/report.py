"""The report of an import as a table with one row for each photo."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.http import StreamingHttpResponse

from accounts.audit import Actor, record
from recognition.bulk.models import ImportItem, ImportRun
from recognition.web.streaming import csv_response

REPORT_COLUMNS = ("number", "file", "outcome", "code", "reason", "quality", "name", "external_id",
                  "person", "image")  # fmt: skip
_BATCH = 500


def report_table(run: ImportRun, actor: Actor) -> StreamingHttpResponse:
    """The report as CSV. It names people, so the download is recorded in the audit log."""
    record(actor, "import.report", run, collection_id=run.collection_id)
    return csv_response(f"import-{run.pk}.csv", REPORT_COLUMNS, report_rows(run))


def report_rows(run: ImportRun) -> Iterator[Sequence[object]]:
    items = run.items.select_related("person").order_by("number")
    last = -1
    while page := list(items.filter(number__gt=last)[:_BATCH]):
        yield from map(_row, page)
        last = page[-1].number


def _row(item: ImportItem) -> Sequence[object]:
    person = item.person
    return (
        item.number,
        item.path,
        item.state,
        item.code,
        item.message,
        round(item.quality, 4) if item.quality is not None else "",
        person.name if person else item.who.get("name", ""),
        (person.external_id if person else item.who.get("external_id")) or "",
        person.pk if person else "",
        item.image_id or "",
    )
