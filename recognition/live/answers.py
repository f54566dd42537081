"""The messages of the protocol that a stream sends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from recognition.live.identity import Identity
from recognition.live.recogniser import SeenFace, Timings
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


def face_answer(
    one: SeenFace, *, name: str | None, threshold: float, event: UUID | None
) -> dict[str, Any]:
    """name: of the person it was matched with; None where they are not enrolled any more."""
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


def rounded(timings: Timings) -> dict[str, float]:
    return {stage: round(ms, 1) for stage, ms in timings.items()}
