"""People as a table."""

from __future__ import annotations

import json
from collections.abc import Sequence

from django.db.models import OuterRef, QuerySet
from django.http import StreamingHttpResponse

from accounts.audit import Actor, record
from recognition.people.models import FaceImage, Person
from recognition.web.counts import row_count
from recognition.web.numbers import utc_text
from recognition.web.streaming import csv_response, newest_first

_COLUMNS = ("id", "collection", "name", "external_id", "labels", "consent", "consent_at",
            "is_active", "images", "metadata", "created_at")  # fmt: skip


def people_table(people: QuerySet[Person], actor: Actor) -> StreamingHttpResponse:
    """These people as CSV, which is in the audit log."""
    record(actor, "person.table", target_type="person")
    images = FaceImage.objects.filter(person=OuterRef("pk"))
    counted = people.annotate(images_total=row_count(images))
    return csv_response("people.csv", _COLUMNS, map(_row, newest_first(counted)))


def _row(person: Person) -> Sequence[object]:
    return (
        person.pk,
        person.collection_id,
        person.name,
        person.external_id or "",
        "; ".join(person.labels),
        person.consent,
        person.consent_at or "",
        str(person.is_active).lower(),
        person.images_total,  # type: ignore[attr-defined]
        json.dumps(person.metadata, ensure_ascii=False) if person.metadata else "",
        utc_text(person.created_at),
    )
