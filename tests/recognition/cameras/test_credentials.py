"""User names and passwords of cameras over REST and in the admin: written, and never shown."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.test import Client

from accounts.models import AuditEntry
from recognition.cameras.models import Camera
from recognition.notices.models import Notice
from recognition.people.models import Collection
from tests.answers import good, refusal
from tests.callers import Caller
from tests.recognition.admin_pages import address, errors_of, page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("engine")]
CAMERAS = "/api/v1/cameras"
DOOR = {"name": "Door", "kind": "rtsp", "address": "rtsp://192.168.1.20/a"}
LOGIN = {"username": "us3r", "password": "s3cret/ä"}


@pytest.fixture(autouse=True)
def _field_key(settings: Any) -> None:
    settings.FIELD_KEYS = [Fernet.generate_key().decode()]


def _login() -> tuple[str, str]:
    camera = Camera.objects.get()
    return camera.username.reveal(), camera.password.reveal()


def _everything_written() -> str:
    rows = [*AuditEntry.objects.values(), *Notice.objects.values()]
    return json.dumps(rows, default=str)


def test_stored_login_is_in_no_answer_and_no_log(api: Caller, collection: Collection) -> None:
    made = good(api.post(CAMERAS, DOOR | LOGIN), 201)
    assert made["has_credentials"] is True
    url = f"{CAMERAS}/{made['id']}"
    changed = good(api.patch(url, {"password": "an0ther"}))
    answers = [made, changed, good(api.get(url)), good(api.get(CAMERAS))]
    for secret in (*LOGIN.values(), "an0ther"):
        assert secret not in json.dumps(answers, ensure_ascii=False)
        assert secret not in _everything_written()
    assert _login() == ("us3r", "an0ther")
    assert AuditEntry.objects.get(action="camera.update").details == {"changed": ["password"]}


def test_login_in_an_address_is_stored_apart(api: Caller, collection: Collection) -> None:
    written = DOOR | {"address": "rtsp://us3r:s3cret%2F%C3%A4@192.168.1.20/a"}
    made = good(api.post(CAMERAS, written), 201)
    assert made["address"] == DOOR["address"]
    assert _login() == tuple(LOGIN.values())
    url = f"{CAMERAS}/{made['id']}"
    good(api.patch(url, {"address": "rtsp://ben:n3w@192.168.1.21/a"}))
    assert _login() == ("ben", "n3w")
    assert "s3cret" not in _everything_written()


def test_login_is_kept_and_can_be_removed(api: Caller, collection: Collection) -> None:
    made = good(api.post(CAMERAS, DOOR | LOGIN), 201)
    url = f"{CAMERAS}/{made['id']}"
    good(api.patch(url, {"name": "Gate", "address": "rtsp://192.168.1.20:8554/b"}))
    assert _login() == tuple(LOGIN.values())
    changed = good(api.patch(url, {"username": "", "password": ""}))
    assert changed["has_credentials"] is False


def test_stored_login_is_not_sent_to_another_host(api: Caller, collection: Collection) -> None:
    made = good(api.post(CAMERAS, DOOR | LOGIN), 201)
    url = f"{CAMERAS}/{made['id']}"
    elsewhere = {"address": "rtsp://192.168.1.66/a"}
    for values in (elsewhere, elsewhere | {"username": "ann"}):
        refusal(api.patch(url, values), 400, "credentials_needed")
    refusal(api.patch(url, {"address": "rtsp://ann@192.168.1.66/a"}), 400, "credentials_needed")
    refusal(
        api.post(f"{CAMERAS}/test", elsewhere | {"camera": made["id"]}), 400, "credentials_needed"
    )
    good(api.patch(url, elsewhere | LOGIN))
    assert Camera.objects.get().address == elsewhere["address"]


def test_login_without_a_field_key_is_refused(
    api: Caller, collection: Collection, settings: Any
) -> None:
    settings.FIELD_KEYS = []
    told = refusal(api.post(CAMERAS, DOOR | LOGIN), 400, "no_field_key")
    assert "new_field_key" in told["message"]
    assert not Camera.objects.exists()
    good(api.post(CAMERAS, DOOR), 201)


def test_network_address_that_no_camera_has_is_not_stored(
    api: Caller, collection: Collection
) -> None:
    for text in ("rtsp://127.0.0.1/a", "file:///etc/passwd", "rtsp://ann/s3cret@10.0.0.5/a"):
        told = refusal(api.post(CAMERAS, DOOR | {"address": text}), 400, "invalid_address")
        assert "s3cret" not in told["message"]
    assert not Camera.objects.exists()


def _form(collection: Collection, **values: Any) -> dict[str, Any]:
    fields = {"collection": collection.pk, "node": "", "max_fps": 5, "min_face_px": 40}
    fields |= {"answers": "ok", "clip_before_s": 5, "clip_after_s": 0}
    return DOOR | fields | {"is_enabled": "on"} | values


def test_admin_form_keeps_a_login_that_it_does_not_show(
    administrator: Client, collection: Collection
) -> None:
    form = _form(collection, **LOGIN)
    assert administrator.post(address("cameras_camera_add"), form).status_code == 302
    assert _login() == tuple(LOGIN.values())
    url = address("cameras_camera_change", Camera.objects.get().pk)
    assert all(secret not in page(administrator.get(url)) for secret in LOGIN.values())
    administrator.post(url, _form(collection, name="Gate", username="", password=""))
    assert _login() == tuple(LOGIN.values())
    administrator.post(url, _form(collection, name="Gate", password="n3w"))
    assert _login() == ("us3r", "n3w")
    administrator.post(url, _form(collection, name="Gate", forgets_login="on"))
    assert _login() == ("", "")


def test_admin_form_says_that_a_field_key_is_missing(
    administrator: Client, collection: Collection, settings: Any
) -> None:
    settings.FIELD_KEYS = []
    answer = administrator.post(address("cameras_camera_add"), _form(collection, **LOGIN))
    assert "new_field_key" in errors_of(answer)
    assert LOGIN["password"] not in page(answer)


def test_viewer_of_a_camera_is_not_shown_its_login(
    viewer: Client, api: Caller, collection: Collection
) -> None:
    made = good(api.post(CAMERAS, DOOR | LOGIN), 201)
    shown = page(viewer.get(address("cameras_camera_change", made["id"])))
    assert "Door" in shown
    assert all(secret not in shown for secret in LOGIN.values())
