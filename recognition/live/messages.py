"""The messages of `/ws/live/` and `/ws/cameras/`, as a client gets them."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from recognition.notices.payloads import PageEvent, PageEventGone
from recognition.web.payloads import FacePayload, NamedPerson


class SessionStarted(TypedDict):
    type: Literal["session.started"]
    session: str
    model: str
    device: str


class StatusMessage(TypedDict):
    type: Literal["status"]
    state: str
    message: str


class ErrorMessage(TypedDict):
    """frame: the number of the failed frame. reason: why a frame is no picture. limit: the largest
    size of a frame, in bytes."""

    type: Literal["error"]
    code: str
    message: str
    frame: NotRequired[int]
    reason: NotRequired[str]
    limit: NotRequired[int]


class LiveFacePayload(FacePayload):
    """decision: `pending` until there are enough looks. event: of the visit, once it is written."""

    track: int
    decision: str
    person: NamedPerson | None
    similarity: float | None
    threshold: float
    event: str | None


class FacesMessage(TypedDict):
    """The answer to a frame. model: the version that recognises now; it may change while the stream
    runs. dropped: frames left out so far. too_dark: there are no faces, and the picture is too dark
    to show any."""

    type: Literal["faces"]
    frame: int
    size: list[int]
    model: str
    faces: list[LiveFacePayload]
    timing_ms: dict[str, float]
    dropped: int
    too_dark: bool


class VisitMessage(TypedDict):
    type: Literal["event"]
    event: PageEvent | PageEventGone


LiveMessage = SessionStarted | StatusMessage | ErrorMessage | FacesMessage | VisitMessage
