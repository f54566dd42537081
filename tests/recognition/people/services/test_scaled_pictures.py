"""Large JPEGs are decoded smaller if only large faces are wanted, and the answer is the same."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ml_engine.request import Wanted
from recognition.people.models import Collection
from recognition.people.services import pictures
from recognition.people.services.identification import detect, identify
from recognition.people.services.scaled_pictures import scaled
from recognition.web.errors import ServiceError
from tests.factories import ACTOR, make_collection, make_person
from tests.recognition.people.services.test_real_photos import enrolled_codes

pytestmark = [pytest.mark.django_db, pytest.mark.only_on("SQLite")]

LARGE = Wanted(min_face_px=240, any_turn=True)
ON_ITS_SIDE = 6  # the EXIF orientation of a phone that was held upright


def _jpeg(picture: Image.Image, orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=92, exif=exif)
    return buffer.getvalue()


@pytest.fixture
def large_photo(sample_photo: Callable[[str], bytes]) -> Image.Image:
    """A photo of one person whose face has some hundred pixels."""
    photo = Image.open(io.BytesIO(sample_photo("obama2"))).convert("RGB")
    scale = 2401 / photo.width
    return photo.resize((2401, round(photo.height * scale)), Image.Resampling.BICUBIC)


@pytest.mark.parametrize(
    ("least", "side"), [(40, 1601), (239, 1601), (240, 801), (480, 401), (5000, 201)]
)
def test_jpeg_is_decoded_as_small_as_the_least_face_allows(least: int, side: int) -> None:
    data = _jpeg(Image.new("RGB", (1601, 1201)))
    with scaled(data, Wanted(min_face_px=least)) as picture:
        assert picture.image.shape[1] == side
        assert picture.size == (1601, 1201)


def test_size_of_a_picture_on_its_side_is_told_upright() -> None:
    with scaled(_jpeg(Image.new("RGB", (1601, 1201)), ON_ITS_SIDE), LARGE) as picture:
        assert picture.size == (1201, 1601)
        assert picture.image.shape == (801, 601, 3)


def test_other_pictures_are_decoded_whole() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (1600, 1200)).save(buffer, "PNG")
    with scaled(buffer.getvalue(), LARGE) as picture:
        assert picture.image.shape == (1200, 1600, 3)
        assert picture.wanted == LARGE


def test_region_outside_of_the_picture_is_told_in_its_own_pixels() -> None:
    wanted = Wanted(min_face_px=240, region=(1700, 0, 1900, 100))
    with (
        pytest.raises(ServiceError) as refused,
        scaled(_jpeg(Image.new("RGB", (1600, 1200))), wanted),
    ):
        pass
    assert refused.value.code == "region_outside"
    assert "1600x1200" in refused.value.message


@pytest.mark.weights
def test_face_in_a_shrunk_picture_is_told_where_it_is_in_the_whole_one(
    real_engine: Any, large_photo: Image.Image
) -> None:
    data = _jpeg(large_photo)
    whole = detect(data=data, actor=ACTOR, wanted=Wanted(min_face_px=200, any_turn=True))
    shrunk = detect(data=data, actor=ACTOR, wanted=LARGE)
    assert shrunk.size == whole.size == large_photo.size
    (face,), (other,) = whole.faces, shrunk.faces
    off = 0.05 * face.size_px
    assert np.abs(face.box - other.box).max() < off
    assert np.abs(face.landmarks - other.landmarks).max() < off
    assert other.quality is not None
    assert other.quality.size_px == pytest.approx(other.size_px)


@pytest.mark.weights
def test_region_and_limits_are_pixels_of_the_whole_picture(
    real_engine: Any, large_photo: Image.Image
) -> None:
    data = _jpeg(large_photo)
    (face,) = detect(data=data, actor=ACTOR, wanted=LARGE).faces
    x1, y1, x2, y2 = (float(side) for side in face.box)
    margin = face.size_px / 2
    around = (x1 - margin, y1 - margin, x2 + margin, y2 + margin)
    beside = (0.0, y1, max(1.0, x1 - margin), y2)

    def found(**wanted: Any) -> int:
        asked = Wanted(min_face_px=240, **wanted)
        return len(detect(data=data, actor=ACTOR, wanted=asked).faces)

    assert found(region=around) == 1
    assert found(region=beside) == 0
    assert found(max_face_px=int(face.size_px) + 40) == 1
    assert found(max_face_px=int(face.size_px) - 40) == 0


@pytest.mark.weights
def test_person_in_a_shrunk_picture_is_named_as_in_the_whole_one(
    real_engine: Any, sample_photo: Callable[[str], bytes], large_photo: Image.Image
) -> None:
    collection: Collection = make_collection()
    person = make_person(collection, name="Obama")
    assert enrolled_codes(person, sample_photo("obama")) == ["accepted"]
    found = [
        identify(collection=collection, data=_jpeg(large_photo), actor=ACTOR, wanted=wanted).faces
        for wanted in (Wanted(any_turn=True), LARGE)
    ]
    (whole,), (shrunk,) = found
    assert (whole.decision, shrunk.decision) == ("match", "match")
    assert whole.similarity is not None
    assert shrunk.similarity == pytest.approx(whole.similarity, abs=0.03)
    vectors = [each.face.embedding for each in (whole, shrunk)]
    assert float(np.dot(*vectors)) > 0.97  # type: ignore[arg-type]


def test_budget_counts_a_shrunk_picture_as_a_whole_one(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    """Nobody knows before decoding whether the file can be shrunk."""
    held: list[int] = []
    hold = pictures.PixelBudget.hold

    def noted(self: pictures.PixelBudget, pixels: int, *, most: int) -> Any:
        held.append(pixels)
        return hold(self, pixels, most=most)

    monkeypatch.setattr(pictures.PixelBudget, "hold", noted)
    with scaled(_jpeg(Image.new("RGB", (1600, 1200))), LARGE):
        pass
    assert held == [1600 * 1200]
