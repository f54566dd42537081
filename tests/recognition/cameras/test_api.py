"""Cameras: a browser's own, or a video file of the server's folder."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from accounts.access import Scope
from accounts.models import AuditEntry
from recognition.cameras.models import Camera, CameraHub
from recognition.cameras.services.streams import stream_begin
from recognition.people.models import Collection
from tests.answers import good, refusal
from tests.callers import Caller, with_key
from tests.factories import make_camera, make_collection, make_event

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("engine")]
CAMERAS = "/api/v1/cameras"


def test_added_browser_camera_is_off_and_audited(api: Caller, collection: Collection) -> None:
    body = good(api.post(CAMERAS, {"name": "Desk"}), 201)
    assert (body["kind"], body["collection"]) == ("browser", str(collection.pk))
    assert (body["status"], body["is_enabled"]) == ("off", True)
    assert good(api.get(f"{CAMERAS}/{body['id']}")) == body
    assert AuditEntry.objects.filter(action="camera.create", target_id=body["id"]).exists()


def test_added_file_camera_waits_for_a_process(
    api: Caller, collection: Collection, settings: Any
) -> None:
    Path(settings.VIDEO_DIR, "hall.mp4").write_bytes(b"video")
    values = {"name": "Hall", "kind": "file", "address": "hall.mp4", "max_fps": 5, "loops": False}
    body = good(api.post(CAMERAS, values), 201)
    assert body | values == body
    waits = "Waiting for a process that plays cameras."
    assert (body["status"], body["status_message"]) == ("waiting", waits)
    changed = good(api.patch(f"{CAMERAS}/{body['id']}", {"node": "gate"}))
    assert changed["status_message"] == "Waiting for its node gate."
    changed = good(api.patch(f"{CAMERAS}/{body['id']}", {"is_enabled": False}))
    assert (changed["status"], changed["status_message"]) == ("off", "")


def test_senders_without_a_camera_are_listed(api: Caller, collection: Collection) -> None:
    CameraHub.objects.create(kind="imagezmq", node="gate", strangers={"hall": 3, "yard": 1})
    make_camera(collection, kind="imagezmq", node="gate", address="hall")
    yard = {"kind": "imagezmq", "node": "gate", "name": "yard", "frames": 1}
    assert good(api.get(f"{CAMERAS}/senders")) == {"senders": [yard]}
    of_one_collection = with_key(Scope.MANAGE, collection=collection)
    assert good(of_one_collection.get(f"{CAMERAS}/senders")) == {"senders": []}


def test_video_of_another_node_is_not_checked(api: Caller, collection: Collection) -> None:
    values = {"name": "Hall", "kind": "file", "address": "hall.mp4"}
    refusal(api.post(CAMERAS, values), 400, "no_such_video")
    good(api.post(CAMERAS, values | {"node": "gate"}), 201)
    outside = {"name": "Door", "address": "../hall.mp4", "node": "gate"}
    refusal(api.post(CAMERAS, values | outside), 400, "no_such_video")


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
def test_video_outside_the_folder_is_refused(
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
        ("kind", "telepathy"),
        ("max_fps", 0.9),
        ("max_fps", 61),
        ("min_face_px", 5),
        ("min_face_px", 10**12),
        ("address", "a\0b"),
        ("collection", "main"),
    ],
)
def test_adding_a_camera_with_an_invalid_field_is_refused(
    api: Caller, collection: Collection, field: str, value: object
) -> None:
    answer = api.post(CAMERAS, {"name": "Desk", field: value})
    assert field in refusal(answer, 400, "validation_error")["details"]["fields"]


def test_changed_camera_keeps_its_other_fields_and_its_stream(
    api: Caller, collection: Collection
) -> None:
    camera = make_camera(collection, name="Desk")
    stream_begin(stream_id=uuid.uuid4(), collection=collection, camera=camera)
    body = good(api.patch(f"{CAMERAS}/{camera.pk}", {"is_enabled": False, "max_fps": 3}))
    assert (body["name"], body["is_enabled"], body["max_fps"]) == ("Desk", False, 3)
    assert body["status"] == "running"
    other = make_collection()
    body = good(api.patch(f"{CAMERAS}/{camera.pk}", {"collection": str(other.pk)}))
    assert body["collection"] == str(other.pk)


def test_change_of_a_camera_to_invalid_values_is_refused(
    api: Caller, collection: Collection
) -> None:
    camera, other = make_camera(collection), make_camera(collection, name="Door")
    address = f"{CAMERAS}/{camera.pk}"
    refusal(api.patch(address, {"name": "Door"}), 409, "name_taken")
    refusal(api.patch(address, {"kind": "file", "address": "x"}), 400, "no_such_video")
    refusal(api.patch(address, {"collection": str(uuid.uuid4())}), 404, "not_found")
    refusal(api.post(CAMERAS, {"name": other.name}), 409, "name_taken")
    camera.refresh_from_db()
    assert camera.kind == "browser"


def test_deleting_a_camera_keeps_its_events(api: Caller, collection: Collection) -> None:
    camera = make_camera(collection)
    event = make_event(collection, camera=camera)
    good(api.delete(f"{CAMERAS}/{camera.pk}"), 204)
    event.refresh_from_db()
    assert event.camera is None
    refusal(api.get(f"{CAMERAS}/{camera.pk}"), 404, "not_found")
    refusal(api.patch(f"{CAMERAS}/{camera.pk}", {"name": "x"}), 404, "not_found")
    refusal(api.delete(f"{CAMERAS}/{camera.pk}"), 404, "not_found")


def test_cameras_are_listed_newest_first(api: Caller, collection: Collection) -> None:
    cameras = [make_camera(collection) for _ in range(2)]
    listed = [row["id"] for row in good(api.get(CAMERAS))["results"]]
    assert listed == [str(camera.pk) for camera in reversed(cameras)]


def test_state_of_a_camera_has_its_time_until_it_changes(
    api: Caller, collection: Collection
) -> None:
    camera = make_camera(collection)
    address = f"{CAMERAS}/{camera.pk}"
    long_ago = timezone.now() - timedelta(hours=5)
    Camera.objects.update(status_since=long_ago)
    assert _since(good(api.patch(address, {"max_fps": 3}))) == long_ago
    Camera.objects.update(kind="file", address="hall.mp4", node="elsewhere")
    Camera.objects.update(status="waiting")
    assert _since(good(api.patch(address, {"max_fps": 4}))) == long_ago
    assert _since(good(api.patch(address, {"is_enabled": False}))) > long_ago


def _since(answer: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(answer["status_since"])
