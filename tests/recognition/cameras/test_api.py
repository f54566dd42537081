"""Cameras: a browser's own, or a video file of the server's folder."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest

from accounts.models import AuditEntry
from recognition.cameras.models import Camera
from recognition.people.models import Collection
from tests.answers import good, refusal
from tests.callers import Caller
from tests.factories import make_camera, make_collection, make_event

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("engine")]
CAMERAS = "/api/v1/cameras"


def test_add_a_browser(api: Caller, collection: Collection) -> None:
    body = good(api.post(CAMERAS, {"name": "Desk"}), 201)
    assert (body["kind"], body["collection"]) == ("browser", str(collection.pk))
    assert (body["status"], body["is_enabled"]) == ("off", True)
    assert good(api.get(f"{CAMERAS}/{body['id']}")) == body
    assert AuditEntry.objects.filter(action="camera.create", target_id=body["id"]).exists()


def test_add_a_file(api: Caller, collection: Collection, settings: Any) -> None:
    Path(settings.VIDEO_DIR, "hall.mp4").write_bytes(b"video")
    values = {"name": "Hall", "kind": "file", "address": "hall.mp4", "max_fps": 5, "loops": False}
    body = good(api.post(CAMERAS, values), 201)
    assert body | values == body


@pytest.mark.parametrize(
    "address",
    [
        "",
        "other.mp4",
        "../hall.mp4",
        "/etc/passwd",
        "videos/../hall.mp4",
        ".",
        "..",
        "x" * 400,
        "http://localhost/hall.mp4",
    ],
)
def test_files_of_elsewhere_are_not_played(
    api: Caller, collection: Collection, settings: Any, address: str
) -> None:
    Path(settings.VIDEO_DIR, "..", "hall.mp4").write_bytes(b"outside")
    answer = api.post(CAMERAS, {"name": "Hall", "kind": "file", "address": address})
    refusal(answer, 400, "no_such_video")
    assert not Camera.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("kind", "rtsp"),
        ("max_fps", 0.9),
        ("max_fps", 61),
        ("min_face_px", 5),
        ("min_face_px", 10**12),
        ("address", "a\0b"),
        ("collection", "main"),
    ],
)
def test_what_is_not_valid(api: Caller, collection: Collection, field: str, value: object) -> None:
    answer = api.post(CAMERAS, {"name": "Desk", field: value})
    assert field in refusal(answer, 400, "validation_error")["details"]["fields"]


def test_change(api: Caller, collection: Collection) -> None:
    camera = make_camera(collection, name="Desk", status="running")
    body = good(api.patch(f"{CAMERAS}/{camera.pk}", {"is_enabled": False, "max_fps": 3}))
    assert (body["name"], body["is_enabled"], body["max_fps"]) == ("Desk", False, 3)
    assert body["status"] == "running"
    other = make_collection()
    body = good(api.patch(f"{CAMERAS}/{camera.pk}", {"collection": str(other.pk)}))
    assert body["collection"] == str(other.pk)


def test_change_refused(api: Caller, collection: Collection) -> None:
    camera, other = make_camera(collection), make_camera(collection, name="Door")
    address = f"{CAMERAS}/{camera.pk}"
    refusal(api.patch(address, {"name": "Door"}), 409, "name_taken")
    refusal(api.patch(address, {"kind": "file", "address": "x"}), 400, "no_such_video")
    refusal(api.patch(address, {"collection": str(uuid.uuid4())}), 404, "not_found")
    refusal(api.post(CAMERAS, {"name": other.name}), 409, "name_taken")
    camera.refresh_from_db()
    assert camera.kind == "browser"


def test_delete_keeps_its_events(api: Caller, collection: Collection) -> None:
    camera = make_camera(collection)
    event = make_event(collection, camera=camera)
    good(api.delete(f"{CAMERAS}/{camera.pk}"), 204)
    event.refresh_from_db()
    assert event.camera is None
    refusal(api.get(f"{CAMERAS}/{camera.pk}"), 404, "not_found")
    refusal(api.patch(f"{CAMERAS}/{camera.pk}", {"name": "x"}), 404, "not_found")
    refusal(api.delete(f"{CAMERAS}/{camera.pk}"), 404, "not_found")


def test_list(api: Caller, collection: Collection) -> None:
    cameras = [make_camera(collection) for _ in range(2)]
    listed = [row["id"] for row in good(api.get(CAMERAS))["results"]]
    assert listed == [str(camera.pk) for camera in reversed(cameras)]
