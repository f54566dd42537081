"""The choice of one of several faces."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from ml_engine import Face
from ml_engine.images import encode_jpeg
from recognition.people.models import FaceImage, Person
from recognition.people.services.face_choice import FaceChoice, NoSingleFace, choose
from tests.answers import good, refusal
from tests.callers import Caller
from tests.factories import enrol
from tests.fakes import photo, portrait

SIZE = (400, 300)


def _face(x: float, y: float, side: float = 50.0, score: float = 0.99) -> Face:
    box = np.array([x, y, x + side, y + side], np.float32)
    return Face(box, np.zeros((5, 2), np.float32), score)


LEFT, MIDDLE, LARGE = _face(10, 10), _face(175, 125), _face(300, 10, 80)


class TestChoose:
    @pytest.mark.parametrize(
        ("choice", "face"),
        [
            (FaceChoice("largest"), LARGE),
            (FaceChoice("central"), MIDDLE),
            (FaceChoice("box", (20, 20, 40, 50)), LEFT),
            (FaceChoice("box", (34, 34, 35, 35)), LEFT),
            (FaceChoice("box", (250, 0, 400, 120)), LARGE),
        ],
    )
    def test_takes_the_face_that_is_meant(self, choice: FaceChoice, face: Face) -> None:
        assert choose([LARGE, LEFT, MIDDLE], SIZE, choice, picture="it") is face

    def test_central_is_nobody_in_the_background(self) -> None:
        behind = _face(190, 140, 12)
        chosen = choose([LARGE, behind], SIZE, FaceChoice("central"), picture="it")
        assert chosen is LARGE

    def test_without_a_choice_several_people_are_refused(self) -> None:
        with pytest.raises(NoSingleFace) as refused:
            choose([LARGE, MIDDLE], SIZE, FaceChoice(), picture="the picture")
        assert refused.value.code == "several_faces"

    @pytest.mark.parametrize(
        ("faces", "choice"),
        [
            ([], FaceChoice("largest")),
            ([LARGE], FaceChoice("box", (0, 200, 50, 250))),
            ([LARGE], FaceChoice("box", (5000, 5000, 5001, 5001))),
        ],
    )
    def test_no_face_there_is_refused(self, faces: list[Face], choice: FaceChoice) -> None:
        with pytest.raises(NoSingleFace) as refused:
            choose(faces, SIZE, choice, picture="the picture")
        assert refused.value.code == "no_face"


def _two(large: int, small: int) -> tuple[bytes, str]:
    """A picture with a large and a small face, and the box of the small one."""
    big, little = portrait(large, size=120), portrait(small, size=100)
    height = max(len(big), len(little))
    padded = [cv2.copyMakeBorder(each, 0, height - len(each), 0, 0, cv2.BORDER_REPLICATE)
              for each in (big, little)]  # fmt: skip
    left = big.shape[1] + 60
    return encode_jpeg(np.ascontiguousarray(np.hstack(padded)), 95), f"{left},60,100,100"


@pytest.mark.django_db
@pytest.mark.usefixtures("engine")
class TestRest:
    ANN, BOB = 5, 6

    def _images(self, person: Person) -> str:
        return f"/api/v1/persons/{person.pk}/images"

    def test_enrols_the_face_that_is_meant(self, api: Caller, person: Person) -> None:
        picture, box = _two(self.ANN, self.BOB)
        answer = api.send(self._images(person), picture, "image/jpeg")
        refusal(answer, 422, "several_faces")
        answer = api.send(f"{self._images(person)}?face={box}", picture, "image/jpeg")
        assert good(answer, 201)["accepted"] == 1
        verified = api.send(f"/api/v1/verify?person={person.pk}", photo(self.BOB), "image/jpeg")
        assert good(verified)["decision"] == "match"
        assert abs(FaceImage.objects.get().box[0] - float(box.split(",")[0])) < 5

    def test_verify_takes_a_choice_for_each_picture(self, api: Caller, person: Person) -> None:
        enrol(person, self.ANN)
        picture, box = _two(self.ANN, self.BOB)
        for choice, decision in (("largest", "unknown"), (box, "match")):
            pictures = {"image": _file(picture), "other_image": _file(photo(self.BOB))}
            body = {**pictures, "face": choice}
            told = good(api.post("/api/v1/verify", body, format="multipart"))
            assert told["decision"] == decision
        swapped = {
            "image": _file(photo(self.BOB)),
            "other_image": _file(picture),
            "other_face": box,
        }
        told = good(api.post("/api/v1/verify", swapped, format="multipart"))
        assert told["decision"] == "match"
        body = {"image": _file(picture), "person": str(person.pk), "face": "largest"}
        assert good(api.post("/api/v1/verify", body, format="multipart"))["decision"] == "match"

    @pytest.mark.parametrize(
        "face", ["smallest", "1,2,3", "1,2,-3,4", "1,2,3,4,5", "0", "largest,"]
    )
    def test_what_is_no_choice_is_refused(self, api: Caller, person: Person, face: str) -> None:
        answer = api.send(f"{self._images(person)}?face={face}", photo(1), "image/jpeg")
        assert "face" in refusal(answer, 400, "validation_error")["details"]["fields"]

    def test_a_box_is_for_one_picture(self, api: Caller, person: Person) -> None:
        body = {"images": [_file(photo(1)), _file(photo(2))], "face": "1,1,9,9"}
        answer = api.post(self._images(person), body, format="multipart")
        assert "face" in refusal(answer, 400, "validation_error")["details"]["fields"]


def _file(data: bytes) -> Any:
    return SimpleUploadedFile("p.jpg", data)
