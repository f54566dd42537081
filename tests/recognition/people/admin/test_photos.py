"""Photos in the admin: each gets a result from the engine, with the reason of a refusal."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import AuditEntry
from recognition.people.models import FaceImage, Person, Template
from tests import pictures
from tests.callers import PageClient
from tests.factories import enrol, make_person
from tests.fakes import FakeEngine, photo
from tests.recognition.admin_pages import address, page, told

pytestmark = pytest.mark.django_db
REFUSED = {
    "empty_image": "Empty file",
    "unsupported_image": "Not a picture",
    "broken_image": "Broken file",
    "too_many_pixels": "Too many pixels",
    "animated_image": "Animated",
}


def upload(client: Client, person: Person, **photos: bytes) -> Any:
    files = [SimpleUploadedFile(f"{name}.jpg", data) for name, data in photos.items()]
    return client.post(address("people_person_photos", person.pk), {"photos": files})


def rows(answer: Any) -> dict[str, Any]:
    """The rows of the report, by file name."""
    page(answer)
    return {row.name.removesuffix(".jpg"): row for row in answer.context["report"]}


def nothing_is_stored(settings: Any) -> bool:
    files = [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()]
    return not files and not FaceImage.objects.exists() and not Template.objects.exists()


@pytest.mark.usefixtures("engine")
class TestUpload:
    def test_upload_answers_for_each_photo(self, operator: Client, person: Person) -> None:
        other = make_person(person.collection, name="Bob <i>")
        enrol(other, 9)
        answer = upload(
            operator,
            person,
            good=photo(1),
            again=photo(1),
            wall=photo(),
            crowd=photo(1, 2),
            other=photo(9, looks=3),
        )
        report = rows(answer)
        assert {name: row.title for name, row in report.items()} == {
            "good": "Added",
            "again": "Added before",
            "wall": "No face found",
            "crowd": "Several faces",
            "other": "Looks like somebody else",
        }
        assert report["other"].similar_to == other
        text = page(answer)
        assert "1 of 5 added" in text
        assert "Bob &lt;i&gt;" in text
        assert person.images.count() == 1
        assert person.images.get().source == "admin"
        assert AuditEntry.objects.filter(action="image.refuse").exists()

    def test_faces_are_drawn_on_uploaded_photos(self, operator: Client, person: Person) -> None:
        report = rows(upload(operator, person, crowd=photo(1, 2), good=photo(3)))
        for name, faces, is_outline in (
            ("crowd", 2, lambda r, g, b: r > 150 and g < 110 and b < 110),
            ("good", 1, lambda r, g, b: g > 110 and r < 90 and b < 130),
        ):
            data = base64.b64decode(report[name].preview.partition(",")[2])
            picture = pictures.opened(data)
            assert max(picture.size) <= 320
            middle = picture.height // 2
            line: list[Any] = [picture.getpixel((x, middle)) for x in range(picture.width)]
            edges = "".join("#" if is_outline(*pixel) else "." for pixel in line)
            assert len(re.findall("#+", edges)) >= 2 * faces, edges

    @pytest.mark.parametrize("kind", pictures.BAD)
    def test_upload_of_a_bad_picture_stores_nothing(
        self, operator: Client, person: Person, settings: Any, kind: str
    ) -> None:
        make, code = pictures.BAD[kind]
        report = rows(upload(operator, person, bad=make(photo(1, size=300))))
        assert report["bad"].title == REFUSED[code]
        assert report["bad"].preview == ""
        assert nothing_is_stored(settings)

    def test_upload_of_a_large_file_is_refused(
        self, operator: Client, person: Person, settings: Any
    ) -> None:
        settings.MAX_IMAGE_MB = 1
        report = rows(upload(operator, person, large=photo(1) + bytes(3 * 2**20)))
        assert report["large"].title == "File too large"
        assert nothing_is_stored(settings)

    @pytest.mark.parametrize(
        ("setting", "value"),
        [("MAX_IMAGES_PER_REQUEST", 1), ("DATA_UPLOAD_MAX_MEMORY_SIZE", 2**20)],
    )
    def test_upload_beyond_the_limits_of_a_request_is_refused(
        self, operator: Client, person: Person, settings: Any, setting: str, value: int
    ) -> None:
        setattr(settings, setting, value)
        answer = upload(operator, person, a=photo(1), b=photo(1, looks=2) + bytes(2**20))
        assert "too much at once" in page(answer)
        assert not FaceImage.objects.exists()

    def test_upload_without_photos_is_refused(self, operator: Client, person: Person) -> None:
        assert "Choose at least one photo." in page(upload(operator, person))

    def test_upload_while_the_engine_is_busy_stores_nothing(
        self, operator: Client, person: Person, engine: FakeEngine
    ) -> None:
        engine.is_busy = True
        text = page(upload(operator, person, a=photo(1)))
        assert "queue is full" in text
        assert not FaceImage.objects.exists()

    def test_viewer_cannot_upload_photos(
        self, viewer: Client, person: Person, engine: FakeEngine
    ) -> None:
        assert upload(viewer, person, a=photo(1)).status_code == 403
        assert viewer.get(address("people_person_photos", person.pk)).status_code == 403
        assert engine.calls == 0

    def test_file_names_with_markup_are_shown_as_text(
        self, operator: Client, person: Person
    ) -> None:
        answer = upload(operator, person, **{"<img src=x onerror=alert(1)>": photo(1)})
        assert "<img src=x" not in page(answer)

    def test_upload_for_an_unknown_person_is_answered_404(self, operator: Client) -> None:
        nobody = Person(pk="00000000-0000-7000-8000-000000000000")
        assert upload(operator, nobody, a=photo(1)).status_code == 404


@pytest.mark.usefixtures("engine")
class TestDelete:
    def test_operator_deletes_one_photo(self, operator: Client, person: Person) -> None:
        kept, gone = enrol(person, 1, 1)
        url = address("people_person_photo_delete", person.pk, gone.pk)
        assert operator.get(url).status_code == 405
        answer = operator.post(url)
        assert answer["Location"].endswith("#photos")
        assert "gone" in told(answer)[0]
        assert list(person.images.all()) == [kept]
        assert operator.post(url).status_code == 404

    def test_photo_of_another_person_is_not_deleted(self, operator: Client, person: Person) -> None:
        other = make_person(person.collection)
        image = enrol(other, 1)[0]
        url = address("people_person_photo_delete", person.pk, image.pk)
        assert operator.post(url).status_code == 404

    def test_viewer_cannot_delete_a_photo(self, viewer: Client, person: Person) -> None:
        image = enrol(person, 1)[0]
        url = address("people_person_photo_delete", person.pk, image.pk)
        assert viewer.post(url).status_code == 403
        assert FaceImage.objects.exists()


def test_upload_and_delete_without_csrf_token_are_refused(operator: Client, person: Person) -> None:
    strict = PageClient(enforce_csrf_checks=True)
    strict.cookies = operator.cookies
    assert upload(strict, person, a=photo(1)).status_code == 403
    url = address("people_person_delete", person.pk)
    assert strict.post(url, {"post": "yes"}).status_code == 403
    assert Person.objects.exists()


@pytest.mark.weights
@pytest.mark.only_on("SQLite")
@pytest.mark.usefixtures("real_engine")
class TestRealFaces:
    @pytest.mark.parametrize("kind", pictures.GOOD)
    def test_upload_of_rare_picture_formats_is_accepted(
        self,
        operator: Client,
        person: Person,
        sample_photo: Callable[[str], bytes],
        kind: str,
    ) -> None:
        rare = pictures.GOOD[kind](sample_photo("obama2"))
        report = rows(upload(operator, person, first=sample_photo("obama"), rare=rare))
        assert [row.title for row in report.values()] == ["Added", "Added"]

    def test_upload_says_why_a_real_photo_is_refused(
        self,
        operator: Client,
        person: Person,
        sample_photo: Callable[[str], bytes],
        settings: Any,
    ) -> None:
        obama, biden = sample_photo("obama"), sample_photo("biden")
        answer = upload(
            operator, person, wall=pictures.no_face(), both=pictures.side_by_side(obama, biden)
        )
        titles = [row.title for row in rows(answer).values()]
        assert titles == ["No face found", "Several faces"]
        assert nothing_is_stored(settings)
