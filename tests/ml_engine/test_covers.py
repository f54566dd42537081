"""Covered eyes and mouths are told, and faces in full view keep their quality."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from ml_engine.align import TEMPLATE_112, align_faces
from ml_engine.detection import Detector
from ml_engine.quality import measure, refusals
from ml_engine.request import Wanted
from ml_engine.types import Face, Image, Quality

pytestmark = pytest.mark.weights

Cover = Callable[[Image, Face], Image]


def _measured(image: Image, face: Face) -> Quality:
    crop = align_faces(image, face.landmarks[None], TEMPLATE_112, 112)[0]
    return measure(face, crop, image)


def _filled(image: Image, corners: Sequence[Any], colour: tuple[int, ...]) -> Image:
    hidden = image.copy()
    cv2.fillPoly(hidden, [np.array(corners, np.int32)], colour)
    return hidden


def _over_the_eyes(colour: tuple[int, ...]) -> Cover:
    def cover(image: Image, face: Face) -> Image:
        left, right = face.landmarks[:2]
        across, down = (right - left) * 0.9, np.array([0, 0.4 * (right - left)[0]])
        middle = (left + right) / 2
        corners = [middle - across - down, middle + across - down,
                   middle + across + down, middle - across + down]  # fmt: skip
        return _filled(image, corners, colour)

    return cover


def _mask(image: Image, face: Face) -> Image:
    (x, y), bottom = face.landmarks[2], float(face.box[3])
    width = float(face.box[2] - face.box[0])
    corners = [(x - 0.5 * width, y), (x, y), (x + 0.5 * width, y),
               (x + 0.35 * width, bottom), (x - 0.35 * width, bottom)]  # fmt: skip
    return _filled(image, corners, (150, 190, 215))


@pytest.mark.parametrize("name", ["obama", "biden"])
@pytest.mark.parametrize(
    "cover",
    [
        pytest.param(_over_the_eyes((170, 125, 105)), id="hand"),
        pytest.param(_over_the_eyes((25, 25, 28)), id="dark glasses"),
        pytest.param(_mask, id="mask"),
    ],
)
def test_covered_face_is_told_and_has_a_lower_quality(
    cover: Cover, name: str, detector: Detector, photo: Callable[[str], Image]
) -> None:
    image = photo(name)
    (face,) = detector.detect([image], Wanted(max_faces=1))[0]
    plain, hidden = _measured(image, face), _measured(cover(image, face), face)
    assert plain.covered < 0.3
    assert "covered" not in plain.reasons
    assert hidden.covered > 0.8
    assert hidden.score < plain.score - 0.05
    assert refusals(replace(hidden, reasons=()), "standard") == refusals(plain, "standard")


@pytest.mark.parametrize("name", ["obama", "obama2", "obama3", "biden"])
def test_face_in_full_view_is_not_covered(
    name: str, detector: Detector, photo: Callable[[str], Image]
) -> None:
    image = photo(name)
    (face,) = detector.detect([image], Wanted(max_faces=1))[0]
    assert _measured(image, face).covered < 0.3
