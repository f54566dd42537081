"""A picture is sent as a file of a form, as base64 in JSON, or as the body itself."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from recognition.people.models import Collection, FaceImage, Person
from tests.answers import good, refusal
from tests.callers import Caller
from tests.factories import enrol
from tests.fakes import FakeEngine, photo

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("engine")]
Send = Callable[..., Any]


def as_file(data: bytes, name: str = "p.jpg") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data)


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def by_form(api: Caller, address: str, data: bytes, **options: Any) -> Any:
    return api.post(address, {"image": as_file(data), **options}, format="multipart")


def by_json(api: Caller, address: str, data: bytes, **options: Any) -> Any:
    return api.post(address, {"image": base64_of(data), **options})


def by_data_url(api: Caller, address: str, data: bytes, **options: Any) -> Any:
    return api.post(address, {"image": f"data:image/jpeg;base64,{base64_of(data)}", **options})


def by_body(api: Caller, address: str, data: bytes, **options: Any) -> Any:
    query = "&".join(f"{name}={value}" for name, value in options.items())
    return api.send(f"{address}?{query}", data, "image/jpeg")


WAYS = pytest.mark.parametrize("send", [by_form, by_json, by_data_url, by_body])


@WAYS
def test_detect_takes_every_way_of_sending(api: Caller, send: Send) -> None:
    answer = good(send(api, "/api/v1/detect", photo(1, 2)))
    assert len(answer["faces"]) == 2


@WAYS
def test_options_are_taken_beside_the_picture(api: Caller, send: Send) -> None:
    answer = good(send(api, "/api/v1/detect", photo(1, size=60), min_face_px=100))
    assert answer["faces"] == []


@WAYS
def test_identify_takes_every_way_of_sending(api: Caller, send: Send, person: Person) -> None:
    enrol(person, 5)
    options = {"collection": person.collection_id, "max_candidates": 1}
    answer = good(send(api, "/api/v1/identify", photo(5, looks=3), **options))
    assert answer["faces"][0]["person"]["name"] == "Ann Example"


@WAYS
def test_embed_takes_every_way_of_sending(api: Caller, send: Send) -> None:
    answer = good(send(api, "/api/v1/embed", photo(1), embedder="dlib_resnet"))
    assert answer["dimension"] == len(answer["faces"][0]["embedding"]) == 128


@WAYS
def test_verify_takes_every_way_of_sending(api: Caller, send: Send, person: Person) -> None:
    enrol(person, 5)
    answer = good(send(api, "/api/v1/verify", photo(5, looks=2), person=person.pk))
    assert answer["decision"] == "match"


@WAYS
def test_enrol_takes_every_way_of_sending(api: Caller, send: Send, person: Person) -> None:
    answer = good(send(api, f"/api/v1/persons/{person.pk}/images", photo(5)), 201)
    assert answer["accepted"] == 1
    assert FaceImage.objects.filter(person=person).count() == 1


@pytest.mark.parametrize("kind", ["image/png", "image/webp", "image/bmp", "image/jpeg; q=1"])
def test_announced_type_of_a_picture_does_not_matter(api: Caller, kind: str) -> None:
    answer = api.send("/api/v1/detect", photo(1), kind)
    assert len(good(answer)["faces"]) == 1


def test_base64_may_have_line_breaks_and_no_padding(api: Caller) -> None:
    text = base64.encodebytes(photo(1)).decode().rstrip("=\n")
    assert len(good(api.post("/api/v1/detect", {"image": text}))["faces"]) == 1


class TestRefused:
    @pytest.mark.parametrize("sent", ["not base64!", 7, None, ["x"], {"a": 1}, True])
    def test_json_without_a_picture_is_refused(self, api: Caller, sent: object) -> None:
        error = refusal(api.post("/api/v1/detect", {"image": sent}), 400, "validation_error")
        assert "image" in error["details"]["fields"]

    @pytest.mark.parametrize("body", [[], "text", 3, None])
    def test_json_that_is_no_object_is_refused(self, api: Caller, body: object) -> None:
        answer = api.post("/api/v1/detect", body, format="json")
        refusal(answer, 400, "validation_error")

    def test_detect_without_picture_is_refused(self, api: Caller) -> None:
        refusal(api.post("/api/v1/detect", {}), 400, "validation_error")

    def test_empty_body_of_picture_type_is_refused(self, api: Caller) -> None:
        answer = api.send("/api/v1/detect", b"", "image/jpeg")
        refusal(answer, 400, "empty_image")

    def test_detect_without_body_is_refused(self, api: Caller) -> None:
        refusal(api.send("/api/v1/detect", b"", ""), 400, "validation_error")

    def test_several_pictures_for_one_are_refused(self, api: Caller, engine: FakeEngine) -> None:
        twice = {"image": [as_file(photo(1)), as_file(photo(2))]}
        answer = api.post("/api/v1/detect", twice, format="multipart")
        refusal(answer, 400, "several_pictures")
        assert engine.calls == 0

    @pytest.mark.parametrize(
        "kind", ["application/x-www-form-urlencoded", "text/plain", "video/mp4", "nonsense"]
    )
    def test_body_of_another_type_is_refused(self, api: Caller, kind: str) -> None:
        answer = api.send("/api/v1/detect", photo(1), kind)
        refusal(answer, 415, "unsupported_media_type")

    def test_form_without_its_boundary_is_refused(self, api: Caller) -> None:
        answer = api.send("/api/v1/detect", b"x", "multipart/form-data")
        refusal(answer, 400, "parse_error")

    def test_json_without_an_end_is_refused(self, api: Caller) -> None:
        deep = b'{"image":' + b"[" * 100_000
        answer = api.send("/api/v1/detect", deep, "application/json")
        refusal(answer, 400, "parse_error")

    def test_json_that_is_no_text_is_refused(self, api: Caller) -> None:
        answer = api.send("/api/v1/detect", b"\xff\xfe", "application/json")
        refusal(answer, 400, "parse_error")

    @pytest.mark.parametrize("option", ["min_face_px=1", "min_face_px=abc", "min_face_px=9999999"])
    def test_options_out_of_bounds_are_refused(self, api: Caller, option: str) -> None:
        address = f"/api/v1/detect?{option}"
        answer = api.send(address, photo(1), "image/jpeg")
        assert "min_face_px" in refusal(answer, 400, "validation_error")["details"]["fields"]

    @pytest.mark.parametrize("threshold", ["nan", "inf", "-1.5", "2", "1e999"])
    def test_threshold_that_is_no_similarity_is_refused(
        self, api: Caller, collection: Collection, threshold: str
    ) -> None:
        answer = by_body(api, "/api/v1/identify", photo(1), threshold=threshold)
        refusal(answer, 400, "validation_error")


class TestTooLarge:
    @pytest.fixture(autouse=True)
    def _small_limits(self, settings: Any) -> None:
        settings.MAX_IMAGE_MB = 1
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 3 * 2**20

    @pytest.mark.parametrize("send", [by_form, by_json, by_data_url, by_body])
    def test_picture_beyond_the_limit_is_refused_with_413(
        self, api: Caller, engine: FakeEngine, send: Send
    ) -> None:
        error = refusal(send(api, "/api/v1/detect", bytes(2**20 + 1)), 413, "image_too_large")
        assert error["details"] == {"max_mb": 1}
        assert engine.calls == 0

    def test_too_many_pictures_are_refused_with_413(
        self, api: Caller, person: Person, settings: Any
    ) -> None:
        settings.MAX_IMAGES_PER_REQUEST = 2
        files = {"images": [as_file(photo(n)) for n in range(3)]}
        answer = api.post(f"/api/v1/persons/{person.pk}/images", files, format="multipart")
        assert refusal(answer, 413, "too_many_images")["details"] == {"max_images": 2}
        pictures = {"images": [base64_of(photo(n)) for n in range(3)]}
        answer = api.post(f"/api/v1/persons/{person.pk}/images", pictures)
        refusal(answer, 413, "too_many_images")
        assert not FaceImage.objects.exists()

    def test_one_picture_too_many_is_refused_with_the_limit(
        self, api: Caller, person: Person, settings: Any
    ) -> None:
        """Before Django's own limit, whose error would not say how many may be sent."""
        most = settings.MAX_IMAGES_PER_REQUEST
        files = {"images": [as_file(b"x") for _ in range(most + 1)]}
        answer = api.post(f"/api/v1/persons/{person.pk}/images", files, format="multipart")
        assert refusal(answer, 413, "too_many_images")["details"] == {"max_images": most}
