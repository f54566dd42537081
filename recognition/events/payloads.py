"""Events as JSON, the same over REST and websockets."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.urls import reverse

from recognition.cameras.models import Camera
from recognition.events.models import Event
from recognition.people.models import Person
from recognition.web.numbers import rounded, significant, utc_text
from recognition.web.payloads import EventPayload, Named, NamedPerson


def event_payload(event: Event) -> EventPayload:
    """An event as JSON. Reads the related camera and person."""
    return {
        "id": str(event.pk),
        "collection": str(event.collection_id),
        "camera": _named(event.camera),
        "person": _person(event.person),
        "decision": event.decision,
        "similarity": rounded(event.similarity),
        "threshold": round(event.threshold, 4),
        "false_match_rate": significant(event.false_match_rate),
        "started_at": utc_text(event.started_at),
        "ended_at": utc_text(event.ended_at),
        "is_open": event.is_open,
        "review": event.review,
        "snapshot_url": reverse("event-snapshot", args=[event.pk]) if event.snapshot else None,
        "face_url": reverse("event-face", args=[event.pk]) if event.face else None,
    }


def events_data(ids: Sequence[UUID]) -> dict[UUID, EventPayload]:
    """The data of events for notices; events that no longer exist are left out."""
    rows = Event.objects.filter(pk__in=ids).defer("vector").select_related("camera", "person")
    return {row.pk: event_payload(row) for row in rows}


def _named(row: Camera | None) -> Named | None:
    return {"id": str(row.pk), "name": row.name} if row is not None else None


def _person(row: Person | None) -> NamedPerson | None:
    if row is None:
        return None
    return {"id": str(row.pk), "name": row.name, "labels": row.labels}
