"""Faces of pictures that lie on their side or stand on their head."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ml_engine.detection.turns import CERTAIN, find_turned, turn_image, turn_places
from ml_engine.engine import FaceEngine
from ml_engine.images import decode_image
from ml_engine.request import PHOTO
from ml_engine.types import Face, Image

SIZE = (30, 40)


def _face(score: float) -> Face:
    box = np.array([10, 5, 20, 17], np.float32)
    landmarks = np.array([[12, 8], [18, 8], [15, 11], [13, 14], [17, 14]], np.float32)
    return Face(box=box, landmarks=landmarks, score=score)


def _marked(*points: tuple[int, int]) -> Image:
    image = np.zeros((*SIZE, 3), np.uint8)
    for number, (x, y) in enumerate(points, 1):
        image[y, x] = number
    return image


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_turned_places_lie_on_the_turned_pixels(turn: int) -> None:
    points = ((3, 2), (30, 4), (12, 20))
    turned = turn_image(_marked(*points), turn)
    _, places = turn_places(np.zeros(4, np.float32), np.array(points, np.float32), turn, SIZE)
    for number, (x, y) in enumerate(places.astype(int), 1):
        assert turned[y, x, 0] == number


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_places_come_back_after_a_turn_and_its_rest(turn: int) -> None:
    face = _face(1)
    box, landmarks = turn_places(face.box, face.landmarks, turn, SIZE)
    turned_size = SIZE if turn == 180 else SIZE[::-1]
    box, landmarks = turn_places(box, landmarks, 360 - turn, turned_size)
    np.testing.assert_allclose(box, face.box)
    np.testing.assert_allclose(landmarks, face.landmarks)


def test_picture_with_a_certain_face_is_looked_at_once() -> None:
    upright = [_face(CERTAIN)]

    def find(image: Image) -> list[Face]:
        pytest.fail("looked again")

    assert find_turned(_marked(), upright, find) == upright


@pytest.mark.parametrize(("upright", "expected"), [([], 180), ([0.9], 180), ([0.985], 0)])
def test_turn_with_the_highest_score_counts(upright: list[float], expected: int) -> None:
    scores = iter([0.7, 0.98, 0.6])
    found = find_turned(
        _marked(), [_face(score) for score in upright], lambda image: [_face(next(scores))]
    )
    assert [face.turn for face in found] == [expected]


@pytest.mark.weights
@pytest.mark.parametrize("turn", [90, 180, 270])
def test_turned_photo_gives_the_same_template(
    turn: int, sample_photo: Callable[[str], bytes], real_engine: FaceEngine
) -> None:
    photo = decode_image(sample_photo("obama"))
    (upright,) = real_engine.analyze([photo], PHOTO)[0]
    turned = turn_image(photo, turn)
    (found,) = real_engine.analyze([turned], PHOTO)[0]
    assert (upright.turn, found.turn) == (0, 360 - turn)
    assert upright.embedding is not None
    assert found.embedding is not None
    assert found.embedding @ upright.embedding > 0.9
    expected, _ = turn_places(upright.box, upright.landmarks, turn, photo.shape[:2])
    np.testing.assert_allclose(found.box, expected, atol=0.15 * upright.size_px)
    assert found.quality is not None
    assert abs(found.quality.roll) < 15


@pytest.mark.weights
@pytest.mark.data
def test_photo_with_a_face_of_a_high_score_upside_down_is_seen_upright(
    real_engine: FaceEngine, data_dir: Path
) -> None:
    name = "Jean-Pierre_Raffarin"
    data = (data_dir / "lfw" / name / f"{name}_0001.jpg").read_bytes()
    photo = turn_image(decode_image(data), 180)
    assert real_engine.find([photo])[0][0].score > 0.99
    assert [face.turn for face in real_engine.find([photo], PHOTO)[0]] == [180]
