"""Events as a CSV table."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import QuerySet
from django.http import StreamingHttpResponse

from accounts.audit import Actor, record
from recognition.events.models import Event
from recognition.web.numbers import rounded, significant, utc_text
from recognition.web.streaming import csv_response, newest_first

_COLUMNS = ("id", "collection", "camera", "started_at", "ended_at", "is_open", "decision",
            "person", "name", "external_id", "similarity", "threshold", "false_match_rate",
            "model", "review")  # fmt: skip


def events_table(events: QuerySet[Event], actor: Actor) -> StreamingHttpResponse:
    """These events as CSV. The download is recorded in the audit log."""
    record(actor, "event.table", target_type="event")
    rows = events.select_related("camera", "person").defer("vector")
    return csv_response("events.csv", _COLUMNS, map(_row, newest_first(rows)))


def _row(event: Event) -> Sequence[object]:
    person = event.person
    return (
        event.pk,
        event.collection_id,
        event.camera.name if event.camera else "",
        utc_text(event.started_at),
        utc_text(event.ended_at),
        str(event.is_open).lower(),
        event.decision,
        person.pk if person else "",
        person.name if person else "",
        (person.external_id if person else "") or "",
        rounded(event.similarity),
        rounded(event.threshold),
        significant(event.false_match_rate),
        event.decided_by,
        event.review,
    )
