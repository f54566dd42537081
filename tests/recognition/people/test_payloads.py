"""Faces, decisions and events as plain JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pytest

from ml_engine import Face, Quality
from recognition.events.payloads import event_payload
from recognition.people.models import Collection, Person
from recognition.people.payloads import decision_payload, face_payload, quality_payload
from recognition.people.services.identification import CandidatePerson, IdentifiedFace
from recognition.web.identifiers import uuid7
from tests.factories import make_camera, make_event

_FACE = Face(
    box=np.array([10.04, 20, 110.06, 140], np.float32),
    landmarks=np.arange(10, dtype=np.float32).reshape(5, 2),
    score=0.98765432,
    quality=Quality(
        0.81239,
        100.02,
        24.06,
        0.21239,
        0.01239,
        0.03239,
        128.04,
        -3.26,
        1.0,
        0.0,
        0.98765,
        ("blurred",),
    ),
)


def test_face_payload_has_box_landmarks_and_quality() -> None:
    payload = json.loads(json.dumps(face_payload(_FACE)))
    assert payload["box"] == [10.0, 20.0, 100.0, 120.0]
    assert payload["landmarks"] == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]
    assert payload["score"] == 0.9877
    assert payload["quality"] == {
        "score": 0.8124,
        "size_px": 100.0,
        "detail_px": 24.1,
        "sharpness": 0.2124,
        "noise": 0.0124,
        "blocking": 0.0324,
        "brightness": 128.0,
        "yaw": -3.3,
        "pitch": 1.0,
        "roll": 0.0,
        "detection": 0.9877,
        "covered": 0.0,
        "reasons": ["blurred"],
    }
    assert quality_payload(None) is None


def test_decision_payload_of_a_match_has_person_and_candidates() -> None:
    person, image = uuid7(), uuid7()
    candidate = CandidatePerson(person, "Ann", "a1", 0.712345, image, ("vip",))
    found = IdentifiedFace(
        face=_FACE,
        decision="match",
        threshold=0.41239,
        similarity=0.712345,
        fmr=1.23456e-7,
        person_id=person,
        person_name="Ann",
        external_id="a1",
        labels=("vip",),
        image_id=image,
        template_id=3,
        candidates=(candidate,),
    )
    reference = {"id": str(person), "name": "Ann", "labels": ["vip"], "external_id": "a1"}
    assert json.loads(json.dumps(decision_payload(found))) == {
        "decision": "match",
        "person": reference,
        "similarity": 0.7123,
        "threshold": 0.4124,
        "false_match_rate": 1.23e-7,
        "image": str(image),
        "candidates": [{"person": reference, "similarity": 0.7123, "image": str(image)}],
    }


def test_decision_payload_of_an_unknown_face_has_no_person() -> None:
    payload = decision_payload(IdentifiedFace(face=_FACE, decision="unknown", threshold=0.5))
    assert payload["person"] is payload["similarity"] is payload["false_match_rate"] is None
    assert payload["candidates"] == []


@pytest.mark.django_db
def test_event_payload_has_person_camera_and_pictures(
    person: Person, collection: Collection
) -> None:
    at = datetime(2026, 5, 4, 3, 2, 1, 500_000, tzinfo=UTC)
    camera = make_camera(collection, name="Door")
    event = make_event(person=person, camera=camera, at=at, decided_by="net@1f2e")
    assert json.loads(json.dumps(event_payload(event))) == {
        "id": str(event.pk),
        "collection": str(collection.pk),
        "camera": {"id": str(camera.pk), "name": "Door"},
        "person": {"id": str(person.pk), "name": "Ann Example", "labels": []},
        "decision": "match",
        "similarity": 0.8,
        "threshold": 0.4,
        "false_match_rate": 1e-5,
        "model": "net@1f2e",
        "started_at": "2026-05-04T03:02:01.500000Z",
        "ended_at": "2026-05-04T03:02:01.500000Z",
        "is_open": True,
        "review": "none",
        "snapshot_url": f"/api/v1/events/{event.pk}/snapshot",
        "face_url": f"/api/v1/events/{event.pk}/face",
        "clip": None,
    }
    bare = make_event(collection, snapshot_jpeg=None, face_jpeg=None)
    payload = event_payload(bare)
    assert payload["snapshot_url"] is payload["face_url"] is payload["camera"] is None
