"""The messages of the protocol that a stream sends."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from ml_engine.quality import is_too_dark
from ml_engine.request import Timings
from recognition.live.identity import Identity
from recognition.live.messages import (
    ErrorMessage,
    FacesMessage,
    LiveFacePayload,
    StatusMessage,
    VisitMessage,
)
from recognition.live.recogniser import SeenFace
from recognition.live.view import View
from recognition.notices.payloads import PageEventKind
from recognition.people.payloads import face_payload
from recognition.web.payloads import EventPayload, NamedPerson


def error_message(
    code: str,
    message: str,
    *,
    frame: int | None = None,
    reason: str | None = None,
    limit: int | None = None,
) -> ErrorMessage:
    told: ErrorMessage = {"type": "error", "code": code, "message": message}
    if frame is not None:
        told["frame"] = frame
    if reason is not None:
        told["reason"] = reason
    if limit is not None:
        told["limit"] = limit
    return told


def status_message(state: str, message: str = "") -> StatusMessage:
    return {"type": "status", "state": state, "message": message}


def visit_message(payload: EventPayload, kind: PageEventKind) -> VisitMessage:
    return {"type": "event", "event": {**payload, "kind": kind}}


def faces_message(
    frame: int,
    view: View,
    faces: list[LiveFacePayload],
    timings: Timings,
    *,
    model: str,
    dropped: int,
) -> FacesMessage:
    """The answer to a frame. faces: see `face_answer`. dropped: frames left out so far."""
    return {
        "type": "faces",
        "frame": frame,
        "size": list(view.size),
        "model": model,
        "faces": faces,
        "timing_ms": {stage: round(ms, 1) for stage, ms in timings.items()},
        "dropped": dropped,
        "too_dark": not faces and is_too_dark(view.grey),
    }


def face_answer(
    one: SeenFace,
    *,
    name: str | None,
    labels: Sequence[str] = (),
    threshold: float,
    event: UUID | None,
) -> LiveFacePayload:
    """name: of the person it was matched with; None if they are not enrolled any more."""
    decision, person = _shown_decision(one.identity, name, labels)
    told = one.identity.decision
    similarity = told.similarity if told is not None else None
    return {
        "track": one.identity.track,
        **face_payload(one.face),
        "decision": decision,
        "person": person,
        "similarity": None if similarity is None else round(similarity, 4),
        "threshold": round(threshold, 4),
        "event": str(event) if event else None,
    }


def _shown_decision(
    identity: Identity, name: str | None, labels: Sequence[str]
) -> tuple[str, NamedPerson | None]:
    decision = identity.decision
    if decision is None:
        return "pending", None
    if decision.kind != "match":
        return decision.kind, None
    # Erased a moment ago: nobody is named who must not be.
    if not name:
        return "pending", None
    return "match", {"id": str(decision.person), "name": name, "labels": list(labels)}
