"""Which face of a picture is meant where one is needed and several are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ml_engine import Face
from recognition.people.services.pictures import subjects


@dataclass(frozen=True, slots=True)
class FaceChoice:
    """only: pictures of several people are refused. central: nearest to the middle of the picture.
    box: x1, y1, x2, y2 in pixels of the upright picture; the face that its middle lies in."""

    kind: Literal["only", "largest", "central", "box"] = "only"
    box: tuple[float, float, float, float] | None = None


ONLY = FaceChoice()


class NoSingleFace(Exception):
    """`code` is `no_face` or `several_faces`; `message` is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def choose(
    faces: Sequence[Face], size: tuple[int, int], choice: FaceChoice, *, picture: str
) -> Face:
    """The face that is meant. size: width and height. picture: what to call it in a message.
    NoSingleFace if there is none, or if it is not clear which one is meant."""
    if not faces:
        raise NoSingleFace("no_face", f"No face was found in {picture}.")
    if choice.box is not None:
        return _face_at(faces, choice.box, picture)
    people = subjects(faces)
    if choice.kind == "central":
        middle = size[0] / 2, size[1] / 2
        return min(people, key=lambda face: _distance(face, middle))
    if choice.kind == "only" and len(people) > 1:
        message = (
            f"{len(people)} faces were found in {picture}: send one of one person, or say which "
            "face is meant."
        )
        raise NoSingleFace("several_faces", message)
    return people[0]


def _face_at(faces: Sequence[Face], box: tuple[float, float, float, float], picture: str) -> Face:
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    there = [f for f in faces if f.box[0] <= x <= f.box[2] and f.box[1] <= y <= f.box[3]]
    if not there:
        raise NoSingleFace("no_face", f"No face was found there in {picture}.")
    return min(there, key=lambda face: _distance(face, (x, y)))


def _distance(face: Face, point: tuple[float, float]) -> float:
    """Squared, of the middle of the face."""
    x1, y1, x2, y2 = (float(value) for value in face.box)
    return ((x1 + x2) / 2 - point[0]) ** 2 + ((y1 + y2) / 2 - point[1]) ** 2
