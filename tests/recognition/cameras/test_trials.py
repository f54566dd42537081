"""A camera is tried out before it is saved."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

import pytest
from cryptography.fernet import Fernet

from accounts.models import AuditEntry
from ml_engine.images import decode_image
from recognition.cameras.models import Camera
from recognition.cameras.services.trials import MOST_AT_ONCE, Trials
from recognition.people.models import Collection
from recognition.web.process import process
from tests.answers import good, refusal
from tests.callers import Caller
from tests.recognition.cameras.network import (
    http_camera,
    http_content,
    local_cameras,
    sent_pictures,
)
from tests.recognition.cameras.sources.http_peer import PASSWORD, USER, HttpPeer
from tests.recognition.cameras.sources.rtsp_peer import SIZE

__all__ = ["http_camera", "http_content", "local_cameras", "sent_pictures"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("local_cameras")]
TEST = "/api/v1/cameras/test"


def _details() -> dict[str, Any]:
    return AuditEntry.objects.get(action="camera.test").details


def test_tested_camera_shows_a_picture_and_is_not_saved(api: Caller, http_camera: HttpPeer) -> None:
    values = {"kind": "rtsp", "address": http_camera.url("digest")}
    body = good(api.post(TEST, values | {"username": USER, "password": PASSWORD}))
    assert (body["is_playable"], body["message"], body["size"]) == (True, "", list(SIZE))
    assert decode_image(b64decode(body["picture"])).shape == (SIZE[1], SIZE[0], 3)
    assert not Camera.objects.exists()
    assert _details() == {"kind": "rtsp", "host": "127.0.0.1", "has_picture": True}


def test_tested_camera_that_fails_gives_its_reason(api: Caller, http_camera: HttpPeer) -> None:
    url = http_camera.url("digest").replace("//", "//ann:wr0ng@")
    body = good(api.post(TEST, {"kind": "rtsp", "address": url}))
    assert (body["is_playable"], body["picture"], body["size"]) == (False, None, None)
    assert body["message"] == "It asks for another user name or password (401)."
    assert "wr0ng" not in json.dumps([body, *AuditEntry.objects.values("details")])


def test_tested_camera_uses_its_stored_values(
    api: Caller, collection: Collection, http_camera: HttpPeer, settings: Any
) -> None:
    settings.FIELD_KEYS = [Fernet.generate_key().decode()]
    values = {"name": "Door", "kind": "rtsp", "username": USER, "password": PASSWORD}
    url = http_camera.url("digest")
    made = good(api.post("/api/v1/cameras", values | {"address": url}), 201)
    assert good(api.post(TEST, {"camera": made["id"]}))["is_playable"]
    wrong = {"camera": made["id"], "password": "wrong"}
    assert not good(api.post(TEST, wrong))["is_playable"]
    assert Camera.objects.get().password.reveal() == PASSWORD


def test_test_of_a_camera_that_cannot_be_played_here_is_refused(api: Caller) -> None:
    refusal(api.post(TEST, {"kind": "browser"}), 400, "nothing_to_test")
    elsewhere = {"kind": "rtsp", "address": "rtsp://192.168.1.20/a", "node": "gate"}
    refusal(api.post(TEST, elsewhere), 409, "on_another_node")
    refusal(api.post(TEST, {"kind": "rtsp", "address": "nonsense"}), 400, "invalid_address")
    refusal(api.post(TEST, {"kind": "file", "address": "none.mp4"}), 400, "no_such_video")


def test_more_tests_than_allowed_at_a_time_are_refused(api: Caller, http_camera: HttpPeer) -> None:
    values = {"kind": "rtsp", "address": http_camera.url("mjpeg")}
    free = process().part(Trials).free
    for _ in range(MOST_AT_ONCE):
        free.acquire()
    refusal(api.post(TEST, values), 429, "too_many_tests")
    free.release()
    for _ in range(2):
        assert good(api.post(TEST, values))["is_playable"]
