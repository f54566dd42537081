"""Answers that are sent while they are produced: tables as CSV, and files of any size."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import TypeVar

from asgiref.sync import sync_to_async
from django.db.models import Model, QuerySet
from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header

M = TypeVar("M", bound=Model)
_ROWS = 500
# A spreadsheet treats a cell that begins with one of these as a formula and runs it. The last four
# are full-width characters.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", *"\uff1d\uff0b\uff0d\uff20")


def csv_response(
    name: str, header: Sequence[str], rows: Iterable[Sequence[object]]
) -> StreamingHttpResponse:
    """A CSV file in UTF-8, with a byte order mark so that spreadsheets detect the encoding."""
    lines = chain([header], rows)

    def parts() -> Iterator[bytes]:
        mark = "\ufeff"
        while some := list(islice(lines, _ROWS)):
            buffer = io.StringIO()
            csv.writer(buffer).writerows([[csv_cell(value) for value in row] for row in some])
            yield (mark + buffer.getvalue()).encode("utf-8", "replace")
            mark = ""

    return stream(parts(), name=name, content_type="text/csv; charset=utf-8")


def csv_cell(value: object) -> object:
    """Put a quote before text that a spreadsheet would run as a formula. Numbers stay unchanged."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


def stream(
    parts: Iterator[bytes], *, name: str, content_type: str, as_attachment: bool = True
) -> StreamingHttpResponse:
    """Each part is produced in the request's thread after the one before it was sent. So the answer
    is never in memory as a whole, and the event loop does not wait."""

    async def sent() -> AsyncIterator[bytes]:
        while part := await sync_to_async(lambda: next(parts, b""))():
            yield part

    response = StreamingHttpResponse(sent(), content_type=content_type)
    disposition = content_disposition_header(as_attachment=as_attachment, filename=name)
    response["Content-Disposition"] = disposition or "inline"
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def newest_first(rows: QuerySet[M]) -> Iterator[M]:
    """All rows by descending id, read in pages, because a database driver would load all rows at
    once."""
    rows = rows.order_by("-pk")
    page = list(rows[:_ROWS])
    while page:
        yield from page
        page = list(rows.filter(pk__lt=page[-1].pk)[:_ROWS])
