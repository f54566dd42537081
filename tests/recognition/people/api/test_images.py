"""Images of people: several in one request, each with its own outcome; read, sent, deleted."""

from __future__ import annotations

import errno
import uuid
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.models import AuditEntry
from recognition.people.models import FaceImage, Person, Template
from tests.answers import good, refusal
from tests.callers import Caller
from tests.factories import enrol, make_person
from tests.fakes import FakeEngine, photo
from tests.pictures import empty, opened, text, truncated

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("engine")]


def send(api: Caller, person: Person, **pictures: bytes) -> Any:
    files = [SimpleUploadedFile(f"{name}.jpg", data) for name, data in pictures.items()]
    return api.post(f"/api/v1/persons/{person.pk}/images", {"images": files}, format="multipart")


class TestEnrol:
    def test_every_enrolled_image_has_its_outcome(self, api: Caller, person: Person) -> None:
        enrol(make_person(person.collection), 9)
        body = good(
            send(
                api,
                person,
                good=photo(1),
                again=photo(1),
                nobody=photo(),
                crowd=photo(1, 2),
                other=photo(9, looks=4),
                text=text(b""),
                empty=empty(b""),
                half=truncated(photo(1)),
                better=photo(1, looks=3),
            ),
            201,
        )
        outcomes = {row["name"]: row for row in body["outcomes"]}
        codes = {name.removesuffix(".jpg"): row["code"] for name, row in outcomes.items()}
        assert codes == {
            "good": "accepted",
            "again": "duplicate_image",
            "nobody": "no_face",
            "crowd": "several_faces",
            "other": "looks_like_another_person",
            "text": "unsupported_image",
            "empty": "empty_image",
            "half": "broken_image",
            "better": "accepted",
        }
        assert (body["accepted"], body["refused"]) == (2, 7)
        assert [row["index"] for row in body["outcomes"]] == list(range(9))
        assert outcomes["crowd.jpg"]["faces_found"] == 2
        assert all(row["message"] for row in body["outcomes"])
        stored = {str(pk) for pk in person.images.values_list("pk", flat=True)}
        assert {row["image"] for row in body["outcomes"]} == stored | {None}
        assert Template.objects.filter(image__person=person).count() == 2

    def test_enrolling_on_a_full_disk_is_answered_507(
        self, api: Caller, person: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        full = Mock(side_effect=OSError(errno.ENOSPC, "No space left on device"))
        monkeypatch.setattr("recognition.web.files.default_storage.save", full)
        refusal(send(api, person, a=photo(1)), 507, "storage_full")
        assert not person.images.exists()

    def test_enrolling_refused_images_only_is_an_error(
        self, api: Caller, person: Person, settings: Any
    ) -> None:
        error = refusal(send(api, person, a=photo(), b=photo(1, 2)), 422, "no_image_accepted")
        codes = [row["code"] for row in error["details"]["outcomes"]]
        assert codes == ["no_face", "several_faces"]
        assert not FaceImage.objects.exists()
        assert not [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()]

    def test_error_of_one_reason_has_its_code(self, api: Caller, person: Person) -> None:
        refusal(send(api, person, a=photo()), 422, "no_face")

    def test_image_and_images_fields_are_taken_together(self, api: Caller, person: Person) -> None:
        files = {
            "images": [SimpleUploadedFile("a.jpg", photo(1))],
            "image": SimpleUploadedFile("b.jpg", photo(1, looks=2)),
        }
        address = f"/api/v1/persons/{person.pk}/images"
        assert good(api.post(address, files, format="multipart"), 201)["accepted"] == 2

    def test_enrolling_without_images_is_refused(self, api: Caller, person: Person) -> None:
        address = f"/api/v1/persons/{person.pk}/images"
        refusal(api.post(address, {"images": []}), 400, "validation_error")
        refusal(api.post(address, {}, format="multipart"), 400, "validation_error")

    def test_enrolling_for_an_unknown_person_is_answered_404(
        self, api: Caller, engine: FakeEngine
    ) -> None:
        refusal(send(api, Person(pk=uuid.uuid4()), a=photo(1)), 404, "not_found")
        assert engine.calls == 0

    def test_enrolling_while_the_engine_is_busy_stores_nothing(
        self, api: Caller, engine: FakeEngine, person: Person
    ) -> None:
        engine.is_busy = True
        refusal(send(api, person, a=photo(1)), 503, "engine_busy")
        assert not FaceImage.objects.exists()

    def test_uploaded_file_name_is_no_path(self, api: Caller, person: Person) -> None:
        body = good(send(api, person, **{"../../etc/<b>x": photo(1)}), 201)
        stored = str(person.images.get().file.name)
        assert stored.startswith("faces/")
        assert ".." not in stored
        assert "/" not in body["outcomes"][0]["name"]


class TestRead:
    def test_images_are_listed_by_person_and_collection(self, api: Caller, person: Person) -> None:
        mine = enrol(person, 1, 1)
        others = enrol(make_person(person.collection), 2)
        listed = good(api.get(f"/api/v1/persons/{person.pk}/images"))["results"]
        assert {row["id"] for row in listed} == {str(image.pk) for image in mine}
        every = good(api.get("/api/v1/images", {"collection": person.collection_id}))["results"]
        assert len(every) == len(mine + others)
        some = good(api.get("/api/v1/images", {"person": person.pk}))["results"]
        assert len(some) == len(mine)
        refusal(api.get("/api/v1/images", {"person": uuid.uuid4()}), 404, "not_found")
        refusal(api.get("/api/v1/images", {"collection": uuid.uuid4()}), 404, "not_found")

    def test_stored_image_has_url_person_and_quality(self, api: Caller, person: Person) -> None:
        image = enrol(person, 1)[0]
        body = good(api.get(f"/api/v1/images/{image.pk}"))
        assert body["url"] == f"/api/v1/images/{image.pk}/file"
        assert body["person"] == str(person.pk)
        assert body["source"] == "api"
        assert body["quality_parts"]["size_px"] == pytest.approx(120, abs=3)
        refusal(api.get(f"/api/v1/images/{uuid.uuid4()}"), 404, "not_found")


class TestFile:
    def test_image_file_is_a_private_jpeg(self, api: Caller, person: Person) -> None:
        image = enrol(person, 1)[0]
        answer = api.get(f"/api/v1/images/{image.pk}/file")
        assert answer.status_code == 200
        assert opened(answer.content).size > (100, 100)
        assert answer["Content-Type"] == "image/jpeg"
        assert answer["Cache-Control"] == "private, no-store"
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Content-Disposition"] == "inline"
        assert answer["X-Frame-Options"] == "DENY"

    def test_each_view_of_an_image_is_audited(self, api: Caller, person: Person) -> None:
        image = enrol(person, 1)[0]
        api.get(f"/api/v1/images/{image.pk}/file", headers={"x-request-id": "look-1"})
        entry = AuditEntry.objects.get(action="image.view")
        assert entry.target_id == str(image.pk)
        assert entry.collection_id == person.collection_id
        assert entry.request_id == "look-1"

    def test_image_file_that_is_gone_is_answered_404(self, api: Caller, person: Person) -> None:
        image = enrol(person, 1)[0]
        image.file.delete(save=False)
        refusal(api.get(f"/api/v1/images/{image.pk}/file"), 404, "not_found")
        refusal(api.get(f"/api/v1/images/{uuid.uuid4()}/file"), 404, "not_found")

    @pytest.mark.parametrize("path", ["../../secret_key", "%2e%2e%2fsecret_key", "x.jpg"])
    def test_image_address_reaches_no_other_file(self, api: Caller, path: str) -> None:
        for folder in ("/api/v1/images/", "/media/", "/static/", "/static/../media/"):
            assert api.get(f"{folder}{path}").status_code in (400, 404)


class TestDelete:
    def test_deleting_an_image_removes_file_and_template(
        self, api: Caller, person: Person, settings: Any
    ) -> None:
        kept, gone = enrol(person, 1, 1)
        good(api.delete(f"/api/v1/images/{gone.pk}"), 204)
        assert list(person.images.all()) == [kept]
        assert Template.objects.count() == 1
        files = [path for path in Path(settings.MEDIA_ROOT).rglob("*.jpg")]
        assert [path.stem for path in files] == [str(kept.pk)]
        refusal(api.delete(f"/api/v1/images/{gone.pk}"), 404, "not_found")
