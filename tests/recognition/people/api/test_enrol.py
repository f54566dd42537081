"""One face of a picture is enrolled; a stored image is moved to another person."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.models import AuditEntry
from recognition.people.models import Collection, FaceImage, Person
from tests.answers import good, refusal
from tests.callers import Caller
from tests.factories import enrol, make_collection, make_person
from tests.fakes import photo

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("engine")]


def enrol_face(api: Caller, data: bytes, **fields: Any) -> Any:
    body = {"image": SimpleUploadedFile("group.jpg", data), **fields}
    return api.post("/api/v1/enrol", body, format="multipart")


def boxes_of(api: Caller, data: bytes) -> list[str]:
    """The boxes of the faces from left to right, in the form for the query."""
    answer = good(
        api.post("/api/v1/detect", {"image": SimpleUploadedFile("a.jpg", data)}, format="multipart")
    )
    boxes = sorted(face["box"] for face in answer["faces"])
    return [",".join(str(side) for side in box) for box in boxes]


def who_is(api: Caller, number: int) -> str | None:
    body = {"image": SimpleUploadedFile("a.jpg", photo(number, looks=5))}
    (face,) = good(api.post("/api/v1/identify", body, format="multipart"))["faces"]
    return face["person"] and face["person"]["name"]


@pytest.mark.usefixtures("collection")
class TestFace:
    def test_chosen_face_of_a_group_becomes_the_new_person(self, api: Caller) -> None:
        group = photo(3, 7)
        left, right = boxes_of(api, group)
        answer = good(enrol_face(api, group, name="Bea", face=right), 201)
        assert answer["person"]["name"] == "Bea"
        assert answer["outcome"]["accepted"]
        assert (who_is(api, 7), who_is(api, 3)) == ("Bea", None)
        good(enrol_face(api, group, name="Cem", face=left), 201)
        assert who_is(api, 3) == "Cem"

    def test_chosen_face_is_added_to_an_enrolled_person(self, api: Caller, person: Person) -> None:
        group = photo(3, 7)
        good(enrol_face(api, group, person=person.pk, face=boxes_of(api, group)[0]), 201)
        assert person.images.count() == 1
        assert who_is(api, 3) == "Ann Example"
        again = enrol_face(api, group, person=person.pk, face=boxes_of(api, group)[0])
        refusal(again, 422, "duplicate_image")

    @pytest.mark.parametrize(
        ("fields", "code"),
        [({}, "several_faces"), ({"face": "0,0,5,5"}, "no_face")],
    )
    def test_refused_face_adds_no_person(self, api: Caller, fields: dict, code: str) -> None:
        refusal(enrol_face(api, photo(3, 7), name="Bea", **fields), 422, code)
        assert not Person.objects.exists()
        assert AuditEntry.objects.get(action="image.refuse").details == {"codes": {code: 1}}

    def test_face_needs_a_name_or_a_person(self, api: Caller, person: Person) -> None:
        refusal(enrol_face(api, photo(3)), 400, "validation_error")
        both = enrol_face(api, photo(3), name="Bea", person=person.pk)
        refusal(both, 400, "validation_error")


class TestMove:
    def test_moved_image_names_the_other_person(self, api: Caller, person: Person) -> None:
        image = enrol(person, 4)[0]
        other = make_person(person.collection, name="Bob")
        assert who_is(api, 4) == "Ann Example"
        answer = api.patch(f"/api/v1/images/{image.pk}", {"person": other.pk})
        assert good(answer)["person"] == str(other.pk)
        assert who_is(api, 4) == "Bob"
        entry = AuditEntry.objects.get(action="image.move")
        assert entry.details == {"person": str(other.pk), "before": str(person.pk)}

    def test_image_is_moved_to_a_new_person(self, api: Caller, person: Person) -> None:
        image = enrol(person, 4)[0]
        good(api.patch(f"/api/v1/images/{image.pk}", {"name": "Zoë"}))
        assert FaceImage.objects.get().person.name == "Zoë"
        assert who_is(api, 4) == "Zoë"

    def test_picture_that_the_other_person_has_is_not_moved(
        self, api: Caller, person: Person, collection: Collection
    ) -> None:
        image = enrol(person, 4)[0]
        other = make_person(collection)
        FaceImage.objects.create(
            person=other,
            collection=collection,
            sha256=image.sha256,
            box=[],
            landmarks=[],
            quality=1,
            source="api",
        )
        answer = api.patch(f"/api/v1/images/{image.pk}", {"person": other.pk})
        refusal(answer, 409, "duplicate_image")
        assert person.images.count() == 1

    def test_image_is_not_moved_to_another_collection(self, api: Caller, person: Person) -> None:
        image = enrol(person, 4)[0]
        other = make_person(make_collection())
        answer = api.patch(f"/api/v1/images/{image.pk}", {"person": other.pk})
        refusal(answer, 409, "different_collections")
