"""Odd pictures: bad ones get a code and leave nothing, and rare good ones work."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from recognition.events.models import Event
from recognition.people.models import FaceImage, Person, Template
from tests import pictures
from tests.answers import good, refusal
from tests.callers import Caller
from tests.commits import committed
from tests.factories import make_person
from tests.fakes import photo
from tests.recognition.people.api.test_recognise import compare, send

pytestmark = [pytest.mark.django_db, pytest.mark.only_on("SQLite")]
STATUS = {"too_many_pixels": 413, "unsupported_image": 415}
BAD = pytest.mark.parametrize("kind", pictures.BAD)
GOOD = pytest.mark.parametrize("kind", pictures.GOOD)


def bad(kind: str) -> tuple[bytes, str]:
    make, code = pictures.BAD[kind]
    return make(photo(1, size=300)), code


def nothing_is_stored(settings: Any) -> bool:
    files = [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()]
    rows = FaceImage.objects.exists() or Template.objects.exists() or Event.objects.exists()
    return not files and not rows


@pytest.mark.usefixtures("engine")
class TestBad:
    @BAD
    @pytest.mark.parametrize("operation", ["detect", "identify", "embed", "verify"])
    def test_bad_picture_is_refused_by_every_operation(
        self, api: Caller, person: Person, operation: str, kind: str
    ) -> None:
        data, code = bad(kind)
        options = {"other_image": SimpleUploadedFile("q.jpg", photo(1))}
        answer = send(api, operation, data, **(options if operation == "verify" else {}))
        refusal(answer, STATUS.get(code, 400), code)

    @BAD
    def test_bad_second_picture_of_verify_is_refused(self, api: Caller, kind: str) -> None:
        data, code = bad(kind)
        refusal(compare(api, photo(1), data), STATUS.get(code, 400), code)

    @BAD
    def test_bad_picture_is_not_enrolled(
        self, api: Caller, person: Person, settings: Any, kind: str
    ) -> None:
        data, code = bad(kind)
        answer = send(api, f"persons/{person.pk}/images", data)
        refusal(answer, 422, code)
        assert nothing_is_stored(settings)

    @BAD
    def test_bad_picture_as_the_body_is_refused(self, api: Caller, kind: str) -> None:
        data, code = bad(kind)
        answer = api.send("/api/v1/detect", data, "image/jpeg")
        refusal(answer, STATUS.get(code, 400), code)

    def test_picture_of_one_pixel_has_no_face(
        self, api: Caller, person: Person, settings: Any
    ) -> None:
        assert good(send(api, "detect", pictures.one_pixel()))["faces"] == []
        answer = send(api, f"persons/{person.pk}/images", pictures.one_pixel())
        refusal(answer, 422, "no_face")
        assert nothing_is_stored(settings)

    def test_decompression_bomb_is_refused_before_decoding(self, api: Caller) -> None:
        """Size is read before decoding: 900 million pixels would be 900 MB."""
        data = pictures.bomb()
        send(api, "detect", photo(1))  # what is loaded once is loaded
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        refusal(send(api, "detect", data), 413, "too_many_pixels")
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 * 1024

    def test_identify_works_after_every_bad_picture(self, api: Caller, person: Person) -> None:
        for kind in pictures.BAD:
            send(api, "identify", bad(kind)[0])
        assert len(good(send(api, "identify", photo(1)))["faces"]) == 1


@pytest.fixture
def obama(real_engine: Any, sample_photo: Callable[[str], bytes], person: Person) -> Person:
    """A person with one enrolled photo, and another person."""
    from recognition.people.services.enrolment import images_enrol
    from recognition.web.uploads import Upload
    from tests.factories import ACTOR

    for row, name in ((person, "obama"), (make_person(person.collection, name="Joe"), "biden")):
        upload = Upload(f"{name}.jpg", sample_photo(name))
        with committed():
            outcomes = images_enrol(person=row, uploads=[upload], source="api", actor=ACTOR)
        assert outcomes[0].accepted, outcomes[0].message
    return person


@pytest.mark.weights
class TestGood:
    @GOOD
    def test_person_is_identified_and_enrolled_in_every_picture_format(
        self, api: Caller, obama: Person, sample_photo: Callable[[str], bytes], kind: str
    ) -> None:
        data = pictures.GOOD[kind](sample_photo("obama2"))
        faces = good(send(api, "identify", data))["faces"]
        named = [face["person"]["name"] for face in faces if face["person"]]
        assert named == ["Ann Example"]
        assert faces[0]["false_match_rate"] < 1e-3
        data = pictures.GOOD[kind](sample_photo("obama3"))
        body = good(send(api, f"persons/{obama.pk}/images", data), 201)
        assert body["accepted"] == 1

    def test_two_people_in_one_picture_are_both_named(
        self, api: Caller, obama: Person, sample_photo: Callable[[str], bytes]
    ) -> None:
        both = pictures.side_by_side(sample_photo("obama2"), sample_photo("biden"))
        faces = good(send(api, "identify", both))["faces"]
        named = {face["person"]["name"] for face in faces if face["person"]}
        assert named == {"Ann Example", "Joe"}
        answer = send(api, f"persons/{obama.pk}/images", both)
        refusal(answer, 422, "several_faces")
        answer = compare(api, both, sample_photo("obama"))
        refusal(answer, 422, "several_faces")

    def test_picture_without_a_face_is_empty_or_refused(self, api: Caller, obama: Person) -> None:
        assert good(send(api, "detect", pictures.no_face()))["faces"] == []
        answer = send(api, f"persons/{obama.pk}/images", pictures.no_face())
        refusal(answer, 422, "no_face")

    def test_real_photos_are_verified_by_picture_and_by_person(
        self, api: Caller, obama: Person, sample_photo: Callable[[str], bytes]
    ) -> None:
        same = good(compare(api, sample_photo("obama"), sample_photo("obama2")))
        other = good(compare(api, sample_photo("obama"), sample_photo("biden")))
        assert (same["decision"], other["decision"]) == ("match", "unknown")
        against = good(send(api, "verify", sample_photo("obama3"), person=obama.pk))
        assert (against["decision"], against["image"]) == ("match", str(obama.images.get().pk))
        against = good(send(api, "verify", sample_photo("biden"), person=obama.pk))
        assert against["decision"] == "unknown"

    def test_erased_person_is_unknown_in_a_real_photo(
        self, api: Caller, obama: Person, sample_photo: Callable[[str], bytes]
    ) -> None:
        good(api.post(f"/api/v1/persons/{obama.pk}/erase"))
        face = good(send(api, "identify", sample_photo("obama2")))["faces"][0]
        assert (face["decision"], face["person"]) == ("unknown", None)

    def test_photo_of_another_enrolled_person_is_refused(
        self, api: Caller, obama: Person, sample_photo: Callable[[str], bytes]
    ) -> None:
        answer = send(
            api, f"persons/{make_person(obama.collection).pk}/images", sample_photo("obama2")
        )
        refusal(answer, 422, "looks_like_another_person")
