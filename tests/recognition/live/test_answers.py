"""What the answer of a stream says about one face."""

from __future__ import annotations

import numpy as np

from ml_engine.matching import Candidate
from recognition.live.answers import face_answer, faces_message
from recognition.live.identity import Need
from recognition.live.messages import LiveFacePayload
from recognition.live.recogniser import SeenFace
from recognition.live.view import View
from tests.recognition.live.faces import face_at, match, nobody, settled


def test_answer_without_faces_tells_that_the_picture_is_too_dark() -> None:
    told = []
    for light in (2, 100):
        wall = np.full((48, 64, 3), light, np.uint8)
        told.append(faces_message(1, View(wall), [], {}, model="m@1", dropped=0)["too_dark"])
    assert told == [True, False]


def test_dark_picture_with_a_face_is_not_too_dark() -> None:
    face = _told(nobody(), None)
    night = np.zeros((48, 64, 3), np.uint8)
    assert not faces_message(1, View(night), [face], {}, model="m@1", dropped=0)["too_dark"]


def _told(candidates: list[Candidate], name: str | None) -> LiveFacePayload:
    one = SeenFace(face_at(0), settled(candidates), Need.NONE)
    return face_answer(one, name=name, labels=("vip",), threshold=0.5, event=None)


def test_answer_of_a_match_has_the_name() -> None:
    told = _told(match("ann"), "Ann")
    assert told["decision"] == "match"
    assert told["person"] == {"id": "ann", "name": "Ann", "labels": ["vip"]}


def test_answer_never_names_a_person_erased_a_moment_ago() -> None:
    told = _told(match("ann"), None)
    assert told["decision"] == "pending"
    assert told["person"] is None


def test_answer_of_a_stranger_has_no_name() -> None:
    told = _told(nobody(), None)
    assert (told["decision"], told["person"]) == ("unknown", None)
