"""The messages of the protocol that a stream sends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from ml_engine.request import Timings
from ml_engine.types import Image
from recognition.live.identity import Identity
from recognition.live.recogniser import SeenFace
from recognition.people.payloads import face_payload


def error_message(
    code: str, message: str, *, frame: int | None = None, **more: object
) -> dict[str, Any]:
    about = {} if frame is None else {"frame": frame}
    return {"type": "error", "code": code, "message": message, **about, **more}


def status_message(state: str, message: str = "") -> dict[str, Any]:
    return {"type": "status", "state": state, "message": message}


def event_message(payload: Mapping[str, object], kind: str | None = None) -> dict[str, Any]:
    """kind: opened, updated or closed, unless the payload tells it."""
    return {"type": "event", "event": {**payload, "kind": kind} if kind else payload}


def faces_message(
    frame: int,
    image: Image,
    faces: Sequence[dict[str, Any]],
    timings: Timings,
    *,
    dropped: int,
) -> dict[str, Any]:
    """The answer to a frame. faces: see `face_answer`. dropped: frames left out so far."""
    return {
        "type": "faces",
        "frame": frame,
        "size": [image.shape[1], image.shape[0]],
        "faces": faces,
        "timing_ms": {stage: round(ms, 1) for stage, ms in timings.items()},
        "dropped": dropped,
    }


def face_answer(
    one: SeenFace, *, name: str | None, threshold: float, event: UUID | None
) -> dict[str, Any]:
    """name: of the person it was matched with; None if they are not enrolled any more."""
    decision, person = _told(one.identity, name)
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


def _told(identity: Identity, name: str | None) -> tuple[str, dict[str, str] | None]:
    decision = identity.decision
    if decision is None:
        return "pending", None
    if decision.kind != "match":
        return decision.kind, None
    # Erased a moment ago: nobody is named who must not be.
    return ("match", {"id": str(decision.person), "name": name}) if name else ("pending", None)
