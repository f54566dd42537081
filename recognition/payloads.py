"""Faces, decisions and events as JSON, the same over REST and websockets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.urls import reverse

from ml_engine import Face, Quality
from recognition.models import Event, Person

if TYPE_CHECKING:
    from recognition.services.identification import IdentifiedFace, VerifyResult


def face_payload(face: Face) -> dict[str, Any]:
    """Box as x, y, width, height. Pixels to a tenth, scores to four digits."""
    x1, y1, x2, y2 = (float(value) for value in face.box)
    score = face.attack_score
    attack = {} if score is None else {"attack_score": round(float(score), 4)}
    return {
        "box": [round(x1, 1), round(y1, 1), round(x2 - x1, 1), round(y2 - y1, 1)],
        "landmarks": [[round(float(x), 1), round(float(y), 1)] for x, y in face.landmarks],
        "score": round(float(face.score), 4),
        "quality": quality_payload(face.quality),
        **attack,
    }


def quality_payload(quality: Quality | None) -> dict[str, Any] | None:
    if quality is None:
        return None
    return {
        "score": round(quality.score, 4),
        "size_px": round(quality.size_px, 1),
        "sharpness": round(quality.sharpness, 4),
        "brightness": round(quality.brightness, 1),
        "yaw": round(quality.yaw, 1),
        "pitch": round(quality.pitch, 1),
        "roll": round(quality.roll, 1),
        "detection": round(quality.detection, 4),
        "reasons": list(quality.reasons),
    }


def decision_payload(found: IdentifiedFace) -> dict[str, Any]:
    person = None
    if found.person_id is not None:
        person = _person(found.person_id, found.person_name, found.external_id)
    return {
        "decision": found.decision,
        "person": person,
        "similarity": _rounded(found.similarity),
        "threshold": round(found.threshold, 4),
        "false_match_rate": _significant(found.fmr),
        "image": _text(found.image_id),
        "candidates": [
            {
                "person": _person(c.person_id, c.person_name, c.external_id),
                "similarity": _rounded(c.similarity),
                "image": _text(c.image_id),
            }
            for c in found.candidates
        ],
    }


def verify_payload(result: VerifyResult) -> dict[str, Any]:
    return {
        "decision": result.decision,
        "similarity": _rounded(result.similarity),
        "threshold": _rounded(result.threshold),
        "false_match_rate": _significant(result.fmr),
        "model": result.model,
        "face": face_payload(result.face_a),
        "other_face": face_payload(result.face_b) if result.face_b is not None else None,
        "image": _text(result.image_id),
    }


def event_payload(event: Event) -> dict[str, Any]:
    """An event as JSON; it reads the names of camera and person."""
    return {
        "id": str(event.pk),
        "collection": str(event.collection_id),
        "camera": _named(event.camera),
        "person": _named(event.person),
        "decision": event.decision,
        "similarity": _rounded(event.similarity),
        "threshold": round(event.threshold, 4),
        "false_match_rate": _significant(event.false_match_rate),
        "started_at": _moment(event.started_at),
        "ended_at": _moment(event.ended_at),
        "is_open": event.is_open,
        "review": event.review,
        "snapshot_url": reverse("event-snapshot", args=[event.pk]) if event.snapshot else None,
        "face_url": reverse("event-face", args=[event.pk]) if event.face else None,
    }


def events_data(ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """For notices: the events that are there."""
    rows = Event.objects.filter(pk__in=ids).defer("vector").select_related("camera", "person")
    return {row.pk: event_payload(row) for row in rows}


def persons_data(ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """For notices: the people who are there."""
    return {
        row.pk: {
            "id": str(row.pk),
            "collection": str(row.collection_id),
            "name": row.name,
            "external_id": row.external_id,
        }
        for row in Person.objects.filter(pk__in=ids)
    }


def _person(person_id: UUID, name: str | None, external_id: str | None) -> dict[str, Any]:
    return {"id": str(person_id), "name": name or "", "external_id": external_id}


def _named(row: Any) -> dict[str, str] | None:
    return {"id": str(row.pk), "name": row.name} if row is not None else None


def _moment(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _text(value: UUID | None) -> str | None:
    return str(value) if value is not None else None


def _rounded(value: float | None) -> float | None:
    return round(float(value), 4) if value is not None else None


def _significant(value: float | None) -> float | None:
    """Rates span many powers of ten: three digits that count."""
    return float(f"{value:.3g}") if value is not None else None
