"""The shapes of answers, defined once for REST, sockets, webhooks and clients.

Boxes are x, y, width and height in pixels of the picture; times are UTC with `Z`; ids are text.
The apps jobs and notices define their own shapes.
"""

from __future__ import annotations

from typing import Literal, TypedDict

DecisionName = Literal["match", "unknown", "ambiguous"]


class Named(TypedDict):
    id: str
    name: str


class NamedPerson(Named):
    labels: list[str]


class PersonReference(NamedPerson):
    external_id: str | None


class QualityPayload(TypedDict):
    """`yaw`, `pitch` and `roll` are degrees, `size_px` and `detail_px` are pixels, brightness is 0
    to 255, and all others are 0 to 1."""

    score: float
    size_px: float
    detail_px: float
    sharpness: float
    noise: float
    blocking: float
    brightness: float
    yaw: float
    pitch: float
    roll: float
    detection: float
    covered: float
    reasons: list[str]


class FacePayload(TypedDict):
    box: list[float]
    landmarks: list[list[float]]
    score: float
    turned: int
    quality: QualityPayload | None


class CandidatePayload(TypedDict):
    person: PersonReference
    similarity: float | None
    image: str | None


class DecisionPayload(TypedDict):
    decision: str
    person: PersonReference | None
    similarity: float | None
    threshold: float
    false_match_rate: float | None
    image: str | None
    candidates: list[CandidatePayload]


class IdentifiedFacePayload(FacePayload, DecisionPayload):
    """A face and the decision about it."""


class VerifyPayload(TypedDict):
    decision: str
    similarity: float | None
    threshold: float | None
    false_match_rate: float | None
    model: str
    face: FacePayload
    other_face: FacePayload | None
    image: str | None


class OutcomePayload(TypedDict):
    """The result for one picture that was sent for enrolment."""

    index: int
    name: str
    accepted: bool
    code: str
    message: str
    faces_found: int
    turned: int
    quality: QualityPayload | None
    image: str | None


class EnrolPayload(TypedDict):
    accepted: int
    refused: int
    outcomes: list[OutcomePayload]


class ClipPayload(TypedDict):
    """id: the same for all events that share it. is_playable: every browser plays it. message: why
    it was lost."""

    id: str
    state: str
    message: str
    url: str | None
    seconds: float
    codec: str
    bytes: int
    is_playable: bool


class EventPayload(TypedDict):
    """A visit. model: the version that decided; similarity and threshold are of it."""

    id: str
    collection: str
    camera: Named | None
    person: NamedPerson | None
    decision: str
    similarity: float | None
    threshold: float
    false_match_rate: float | None
    model: str | None
    started_at: str
    ended_at: str
    is_open: bool
    review: str
    snapshot_url: str | None
    face_url: str | None
    clip: ClipPayload | None
