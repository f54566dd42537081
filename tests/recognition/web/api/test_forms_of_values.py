"""Values that clients really send: null, odd base64, odd file names, times in other zones."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from recognition.people.models import FaceImage, Person
from tests.answers import good, refusal
from tests.callers import Caller
from tests.factories import enrol, make_camera, make_event, make_person
from tests.fakes import photo
from tests.recognition.admin_pages import address

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("engine")]

API = "/api/v1"
TEXT = base64.b64encode(photo(1)).decode()
URL_SAFE = base64.urlsafe_b64encode(photo(1)).decode()


@pytest.mark.parametrize(
    "text",
    [
        f"data:image/jpeg;base64,{TEXT}",
        f"DATA:IMAGE/JPEG;BASE64,{TEXT}",
        f"\n data:image/jpeg;base64,\n{TEXT}\n",
        f"data:;base64,{TEXT}",
        f"data:image/jpeg;charset=utf-8;base64,{TEXT}",
        f"\r\n{TEXT}",
        URL_SAFE,
        URL_SAFE.rstrip("="),
        f"data:image/jpeg;base64,{URL_SAFE}",
    ],
)
def test_base64_in_any_dress_is_read(api: Caller, text: str) -> None:
    assert len(good(api.post(f"{API}/detect", {"image": text}))["faces"]) == 1


class TestNull:
    def test_of_an_optional_option_counts_as_left_out(self, api: Caller) -> None:
        options = dict.fromkeys(("max_faces", "min_face_px", "region", "score_threshold"))
        assert good(api.post(f"{API}/detect", {"image": TEXT, **options}))

    def test_of_every_optional_field_of_what_is_made(self, api: Caller) -> None:
        collection = {"name": "Door", "description": None, "decider": None, "embedder": None}
        made = good(api.post(f"{API}/collections", collection), 201)
        assert made["decider"] == "nearest"
        person = {"name": "Ann", "labels": None, "metadata": None, "consent": None,
                  "collection": None, "external_id": None, "is_active": None}  # fmt: skip
        assert good(api.post(f"{API}/persons", person), 201)["labels"] == []
        camera = {"name": "Desk", "kind": None, "address": None, "max_fps": None, "node": None}
        assert good(api.post(f"{API}/cameras", camera), 201)["kind"] == "browser"

    def test_changes_nothing_where_null_has_no_meaning(self, api: Caller) -> None:
        person = make_person(labels=["staff"], external_id="x")
        changes = {"labels": None, "external_id": None}
        changed = good(api.patch(f"{API}/persons/{person.pk}", changes))
        assert (changed["labels"], changed["external_id"]) == (["staff"], None)

    def test_of_a_required_field_is_refused(self, api: Caller) -> None:
        person = make_person()
        refusal(api.patch(f"{API}/persons/{person.pk}", {"name": None}), 400, "validation_error")
        refusal(api.post(f"{API}/detect", {"image": None}), 400, "validation_error")


def _form(name: bytes, field: bytes = b"images") -> bytes:
    disposition = b'Content-Disposition: form-data; name="' + field + b'"; ' + name
    head = b"--edge\r\n" + disposition + b"\r\nContent-Type: image/jpeg\r\n\r\n"
    return head + photo(7) + b"\r\n--edge--\r\n"


FILE_NAMES = [
    b'filename="photo.jpg"',
    'filename="фото.jpg"'.encode("cp1251"),
    'filename="Zoë.jpg"'.encode("latin-1"),
    'filename="写真.jpg"'.encode("shift_jis"),
    b'filename="' + "ф".encode() * 3000 + b'.jpg"',
    b'filename="' + b"x" * 951 + b'.jpg"',
    b'filename="' + b"x" * 20_000 + b'.jpg"',
    b"filename*=UTF-8''" + quote("ф" * 500).encode() + b".jpg",
    b'filename="a\\"b.jpg"',
    b'filename="C:\\photos\\a.jpg"',
    b'filename=".."',
    b'filename="/"',
    b'filename="\xe2\x80\x8b"',
    b'filename="&#47;"',
]


@pytest.mark.parametrize("name", FILE_NAMES, ids=range(len(FILE_NAMES)))
class TestFileName:
    def test_never_fails_an_upload_by_rest(self, api: Caller, person: Person, name: bytes) -> None:
        images = f"{API}/persons/{person.pk}/images"
        answer = good(api.send(images, _form(name), "multipart/form-data; boundary=edge"), 201)
        assert answer["accepted"] == 1
        assert FaceImage.objects.count() == 1

    def test_never_fails_an_upload_in_the_admin(
        self, operator: Client, person: Person, name: bytes
    ) -> None:
        operator.post(
            address("people_person_photos", person.pk),
            _form(name, b"photos"),
            content_type="multipart/form-data; boundary=edge",
            follow=True,
        )
        assert FaceImage.objects.count() == 1


def _times(value: Any, name: str = "") -> list[tuple[str, str]]:
    """All texts in an answer that are times, by the name of their field."""
    if isinstance(value, dict):
        return [found for key, item in value.items() for found in _times(item, key)]
    if isinstance(value, list):
        return [found for item in value for found in _times(item, name)]
    is_time = isinstance(value, str) and name.endswith(("_at", "_after", "timestamp"))
    return [(name, value)] if is_time and len(value) > 10 else []


class TestTimes:
    ADDRESSES = ("persons", "images", "events", "collections", "cameras", "api-keys", "webhooks")

    @pytest.fixture(autouse=True)
    def _in_berlin(self, settings: Any) -> None:
        settings.TIME_ZONE = "Europe/Berlin"

    def test_every_time_ends_with_z(self, api: Caller, person: Person) -> None:
        enrol(person, 1)
        make_event(person=person)
        make_camera(person.collection)
        good(api.post(f"{API}/webhooks", {"url": "https://example.com/"}), 201)
        soon = (datetime.now(UTC) + timedelta(days=1)).astimezone().isoformat()
        good(
            api.post(f"{API}/api-keys", {"name": "k", "scopes": ["detect"], "expires_at": soon}),
            201,
        )
        for address_ in self.ADDRESSES:
            found = _times(good(api.get(f"{API}/{address_}")))
            assert found, address_
            assert [time for time in found if not time[1].endswith("Z")] == []

    def test_a_time_without_zone_is_utc(self, api: Caller) -> None:
        until = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)
        body = {
            "name": "k",
            "scopes": ["detect"],
            "expires_at": until.replace(tzinfo=None).isoformat(),
        }
        made = good(api.post(f"{API}/api-keys", body), 201)
        assert made["expires_at"] == until.isoformat().replace("+00:00", "Z")
