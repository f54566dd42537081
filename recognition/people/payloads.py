"""Faces and decisions as JSON, the same over REST and websockets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from ml_engine import Face, Quality
from recognition.notices.payloads import PersonData
from recognition.people.models import Person
from recognition.web.numbers import rounded, significant
from recognition.web.payloads import (
    DecisionPayload,
    FacePayload,
    IdentifiedFacePayload,
    PersonReference,
    QualityPayload,
    VerifyPayload,
)

if TYPE_CHECKING:
    from recognition.people.services.identification import (
        CandidatePerson,
        IdentifiedFace,
        VerifyResult,
    )


def face_payload(face: Face) -> FacePayload:
    """Box as x, y, width, height. Pixels to a tenth, scores to four digits."""
    x1, y1, x2, y2 = (float(value) for value in face.box)
    return {
        "box": [round(x1, 1), round(y1, 1), round(x2 - x1, 1), round(y2 - y1, 1)],
        "landmarks": [[round(float(x), 1), round(float(y), 1)] for x, y in face.landmarks],
        "score": round(float(face.score), 4),
        "turned": face.turn,
        "quality": quality_payload(face.quality),
    }


def quality_payload(quality: Quality | None) -> QualityPayload | None:
    if quality is None:
        return None
    return {
        "score": round(quality.score, 4),
        "size_px": round(quality.size_px, 1),
        "detail_px": round(quality.detail_px, 1),
        "sharpness": round(quality.sharpness, 4),
        "noise": round(quality.noise, 4),
        "blocking": round(quality.blocking, 4),
        "brightness": round(quality.brightness, 1),
        "yaw": round(quality.yaw, 1),
        "pitch": round(quality.pitch, 1),
        "roll": round(quality.roll, 1),
        "detection": round(quality.detection, 4),
        "covered": round(quality.covered, 4),
        "reasons": list(quality.reasons),
    }


def decision_payload(found: IdentifiedFace) -> DecisionPayload:
    person = None
    if found.person_id is not None:
        person = _person(found, found.person_id)
    return {
        "decision": found.decision,
        "person": person,
        "similarity": rounded(found.similarity),
        "threshold": round(found.threshold, 4),
        "false_match_rate": significant(found.fmr),
        "image": _text(found.image_id),
        "candidates": [
            {
                "person": _person(c, c.person_id),
                "similarity": rounded(c.similarity),
                "image": _text(c.image_id),
            }
            for c in found.candidates
        ],
    }


def identified_payload(found: IdentifiedFace) -> IdentifiedFacePayload:
    return {**face_payload(found.face), **decision_payload(found)}


def verify_payload(result: VerifyResult) -> VerifyPayload:
    return {
        "decision": result.decision,
        "similarity": rounded(result.similarity),
        "threshold": rounded(result.threshold),
        "false_match_rate": significant(result.fmr),
        "model": result.model,
        "face": face_payload(result.face_a),
        "other_face": face_payload(result.face_b) if result.face_b is not None else None,
        "image": _text(result.image_id),
    }


def persons_data(ids: Sequence[UUID]) -> dict[UUID, PersonData]:
    """The data of people for notices; people who no longer exist are left out."""
    return {
        row.pk: {
            "id": str(row.pk),
            "collection": str(row.collection_id),
            "name": row.name,
            "labels": row.labels,
            "external_id": row.external_id,
        }
        for row in Person.objects.filter(pk__in=ids)
    }


def _person(found: IdentifiedFace | CandidatePerson, person_id: UUID) -> PersonReference:
    return {
        "id": str(person_id),
        "name": found.person_name or "",
        "labels": list(found.labels),
        "external_id": found.external_id,
    }


def _text(value: UUID | None) -> str | None:
    return str(value) if value is not None else None
