"""What a stream tells of one face."""

from __future__ import annotations

from ml_engine.matching import Candidate
from recognition.live.answers import face_answer
from recognition.live.identity import Need
from recognition.live.messages import LiveFacePayload
from recognition.live.recogniser import SeenFace
from tests.recognition.live.faces import face_at, match, nobody, settled


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
