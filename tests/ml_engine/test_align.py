"""Cutting faces out upright."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from ml_engine.align import TEMPLATE_112, TEMPLATE_150, align_faces, similarity_transforms
from ml_engine.types import Float32, Image


def _placed(points: Float32, scale: float, degrees: float, shift: tuple[float, float]) -> Float32:
    turn = np.radians(degrees)
    matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return (points @ matrix.T + shift).astype(np.float32)


@pytest.mark.parametrize("degrees", [0, 17, -90, 180])
@pytest.mark.parametrize("scale", [0.2, 1.0, 9.0])
def test_the_transform_undoes_what_moved_the_template(scale: float, degrees: float) -> None:
    landmarks = _placed(TEMPLATE_112, scale, degrees, (40.0, -7.5))
    (matrix,) = similarity_transforms(landmarks[None], TEMPLATE_112)
    np.testing.assert_allclose(landmarks @ matrix[:, :2].T + matrix[:, 2], TEMPLATE_112, atol=1e-3)


def test_the_transform_is_the_least_squares_one() -> None:
    """No similarity near it maps noisy landmarks closer to the template; the mouth counts half."""
    random = np.random.default_rng(1)
    noise = random.normal(0, 6, (5, 2)).astype(np.float32)
    landmarks: Float32 = _placed(TEMPLATE_150, 2, 30, (9, 9)) + noise
    (matrix,) = similarity_transforms(landmarks[None], TEMPLATE_150)

    def error(m: Float32) -> float:
        missed = ((landmarks @ m[:, :2].T + m[:, 2] - TEMPLATE_150) ** 2).sum(axis=1)
        return float(missed @ [2, 2, 2, 1, 1])

    best = error(matrix)
    assert best > 1, "nothing to fit"
    for _ in range(200):
        a, b, x, y = random.normal(0, [0.01, 0.01, 0.5, 0.5])
        other = matrix + np.array([[a, -b, x], [b, a, y]], np.float32)
        assert error(other) >= best - 1e-3


def test_similarity_transform_never_mirrors() -> None:
    mirrored = TEMPLATE_112.copy()
    mirrored[:, 0] = 112 - mirrored[:, 0]
    (matrix,) = similarity_transforms(mirrored[None], TEMPLATE_112)
    assert np.linalg.det(matrix[:, :2]) > 0


def test_landmarks_in_one_point_give_finite_numbers() -> None:
    points = np.full((1, 5, 2), 33.0, np.float32)
    assert np.isfinite(similarity_transforms(points, TEMPLATE_112)).all()


def _picture_of(landmarks: Float32, side: int) -> Image:
    """Black, with a bright spot at each landmark, as wide as it would be in the crop."""
    rows, columns = np.mgrid[:side, :side]
    spread = 3 * np.linalg.norm(landmarks[0] - landmarks[1]) / 35
    image = np.zeros((side, side), np.float32)
    for x, y in landmarks:
        image += 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * spread**2))
    return np.repeat(image.clip(0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.9, 2.1, 6.0])
def test_landmarks_come_to_lie_on_the_template(scale: float) -> None:
    """Also where a large face is shrunk first: a pixel's half would show here."""
    landmarks = _placed(TEMPLATE_112, scale, 12, (30.0, 30.0))
    side = int(landmarks.max()) + 60
    crop = align_faces(_picture_of(landmarks, side), landmarks[None], TEMPLATE_112, 112)[0]
    rows, columns = np.mgrid[:112, :112]
    for x, y in TEMPLATE_112:
        is_near = (columns - x) ** 2 + (rows - y) ** 2 < 8**2
        weights = crop[..., 0] * is_near
        centre = np.array([(weights * columns).sum(), (weights * rows).sum()]) / weights.sum()
        np.testing.assert_allclose(centre, (x, y), atol=0.35)


def test_several_faces_of_one_image_are_aligned_in_one_call() -> None:
    landmarks = np.stack([TEMPLATE_112, TEMPLATE_112 + 50])
    image = np.random.default_rng(2).integers(0, 256, (200, 220, 3)).astype(np.uint8)
    crops = align_faces(image, landmarks, TEMPLATE_112, 112)
    assert crops.shape == (2, 112, 112, 3)
    np.testing.assert_array_equal(crops[0], image[:112, :112])
    np.testing.assert_array_equal(crops[1], image[50:162, 50:162])


def test_outside_of_the_image_is_black() -> None:
    image = np.full((100, 100, 3), 200, np.uint8)
    crop = align_faces(image, TEMPLATE_112[None] + 60, TEMPLATE_112, 112)[0]
    assert crop[5, 5, 0] == 200
    assert crop[80, 80].tolist() == [0, 0, 0]


def test_aligning_no_faces_gives_no_crops() -> None:
    none = np.empty((0, 5, 2), np.float32)
    assert align_faces(np.zeros((9, 9, 3), np.uint8), none, TEMPLATE_112, 112).shape[0] == 0


def test_large_face_shrinks_no_more_of_the_picture_than_it_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shrunk: list[tuple[int, ...]] = []
    resize = cv2.resize

    def watched(image: Image, *args: Any, **options: Any) -> Any:
        shrunk.append(image.shape)
        return resize(image, *args, **options)

    monkeypatch.setattr(cv2, "resize", watched)
    image = np.random.default_rng(1).integers(0, 255, (2000, 3000, 3), dtype=np.uint8)
    landmarks = _placed(TEMPLATE_112, 4, 20, (1200, 900))
    (crop,) = align_faces(image, landmarks[None], TEMPLATE_112, 112)
    ((height, width, _),) = shrunk
    assert max(height, width) < 4 * 112 * 1.5
    assert crop.min() > 0, "it lies within the picture"


@pytest.mark.parametrize("place", [(900, 700), (-60, 500), (1600, 1000)])
def test_crop_of_a_large_face_is_the_same_in_a_part_of_the_picture(place: tuple[int, int]) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (150, 200, 3), dtype=np.uint8)
    image = np.asarray(cv2.resize(noise, (2000, 1500), interpolation=cv2.INTER_CUBIC), np.uint8)
    landmarks = _placed(TEMPLATE_112, 5, -15, place)[None]
    (whole,) = align_faces(image, landmarks, TEMPLATE_112, 112)
    right, bottom = (int(edge) for edge in landmarks[0].max(axis=0) + 600)
    (part,) = align_faces(image[:bottom, :right].copy(), landmarks, TEMPLATE_112, 112)
    assert np.abs(whole.astype(int) - part).max() <= 8
