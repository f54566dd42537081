"""Events as JSON, the same over REST and websockets; and recordings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict
from uuid import UUID

from django.urls import reverse

from recognition.cameras.models import Camera
from recognition.events.models import Event, Recording
from recognition.jobs.payloads import JobPayload, job_payload
from recognition.people.models import Person
from recognition.web.numbers import rounded, significant, utc_text
from recognition.web.payloads import ClipPayload, EventPayload, Named, NamedPerson


def event_payload(event: Event) -> EventPayload:
    """An event as JSON. Reads the related camera, person and clip."""
    return {
        "id": str(event.pk),
        "collection": str(event.collection_id),
        "camera": _named(event.camera),
        "person": _person(event.person),
        "decision": event.decision,
        "similarity": rounded(event.similarity),
        "threshold": round(event.threshold, 4),
        "false_match_rate": significant(event.false_match_rate),
        "model": event.decided_by or None,
        "started_at": utc_text(event.started_at),
        "ended_at": utc_text(event.ended_at),
        "is_open": event.is_open,
        "review": event.review,
        "snapshot_url": reverse("event-snapshot", args=[event.pk]) if event.snapshot else None,
        "face_url": reverse("event-face", args=[event.pk]) if event.face else None,
        "clip": _clip(event),
    }


def events_data(ids: Sequence[UUID]) -> dict[UUID, EventPayload]:
    """The data of events for notices; events that no longer exist are left out."""
    rows = (
        Event.objects.filter(pk__in=ids).defer("vector").select_related("camera", "person", "clip")
    )
    return {row.pk: event_payload(row) for row in rows}


def _clip(event: Event) -> ClipPayload | None:
    clip = event.clip
    if clip is None:
        return None
    return {
        "id": str(clip.pk),
        "state": clip.state,
        "message": clip.message,
        "url": reverse("event-clip", args=[event.pk]) if clip.file else None,
        "seconds": clip.seconds,
        "codec": clip.codec,
        "bytes": clip.bytes,
        "is_playable": clip.is_playable,
    }


def _named(row: Camera | None) -> Named | None:
    return {"id": str(row.pk), "name": row.name} if row is not None else None


def _person(row: Person | None) -> NamedPerson | None:
    if row is None:
        return None
    return {"id": str(row.pk), "name": row.name, "labels": row.labels}


class RecordingPayload(TypedDict):
    """received: of `size` bytes. events: visits that were found so far."""

    id: str
    collection: str
    camera: Named | None
    name: str
    recorded_at: str
    min_face_px: int
    is_kept: bool
    state: str
    size: int | None
    received: int | None
    events: int
    job: JobPayload | None
    created_by: str
    created_at: str
    ended_at: str | None


def recording_payload(row: Recording) -> RecordingPayload:
    return {
        "id": str(row.pk),
        "collection": str(row.collection_id),
        "camera": _named(row.camera),
        "name": row.name,
        "recorded_at": utc_text(row.recorded_at),
        "min_face_px": row.min_face_px,
        "is_kept": row.is_kept,
        "state": row.state,
        "size": row.archive.size if row.archive else None,
        "received": row.archive.received if row.archive else None,
        "events": Event.objects.filter(stream=row.stream_id).count() if row.stream_id else 0,
        "job": job_payload(row.job) if row.job else None,
        "created_by": row.created_by,
        "created_at": utc_text(row.created_at),
        "ended_at": utc_text(row.ended_at) if row.ended_at else None,
    }
