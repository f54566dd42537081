"""Quality falls with what spoils a face, and a refusal names the reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from ml_engine.align import TEMPLATE_112, align_faces
from ml_engine.detection import Detector
from ml_engine.quality import (
    POLICIES,
    REASON_TEXTS,
    contrast,
    measure,
    pose,
    refusals,
    sharpness,
)
from ml_engine.request import Wanted
from ml_engine.types import Face, Float32, Image, Quality

GOOD = Quality(
    score=0.97, size_px=120, detail_px=40, sharpness=1.0, noise=0.01, blocking=0.03, brightness=130,
    yaw=3, pitch=-4, roll=1, detection=0.999,
)  # fmt: skip


@pytest.fixture(scope="module")
def portrait(detector: Detector, photo: Callable[[str], Image]) -> tuple[Image, Face]:
    """A face of about 100 pixels."""
    image = photo("obama")
    (face,) = detector.detect([image], Wanted(max_faces=1))[0]
    scale = 100 / face.size_px
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8), replace(
        face, box=face.box * np.float32(scale), landmarks=face.landmarks * np.float32(scale)
    )


def _measured(image: Image, face: Face) -> Quality:
    crop = align_faces(image, face.landmarks[None], TEMPLATE_112, 112)[0]
    return measure(face, crop, image)


def _motion(image: Image, length: int, *, upright: bool) -> Image:
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1 / length
    return np.asarray(cv2.filter2D(image, -1, kernel.T if upright else kernel), np.uint8)


@pytest.mark.weights
def test_good_portrait_has_a_high_quality(portrait: tuple[Image, Face]) -> None:
    quality = _measured(*portrait)
    assert quality.score > 0.93
    assert quality.reasons == ()
    assert refusals(quality, "strict") == ()
    assert quality.sharpness > 0.5
    assert abs(quality.roll) < 10


@pytest.mark.weights
@pytest.mark.parametrize(
    ("spoil", "part", "reason"),
    [
        (lambda image, by: cv2.GaussianBlur(image, (0, 0), 0.6 * by), "sharpness", "blurred"),
        (lambda image, by: _motion(image, 4 * by - 1, upright=False), "sharpness", "blurred"),
        (lambda image, by: _motion(image, 4 * by - 1, upright=True), "sharpness", "blurred"),
        (lambda image, by: (image * 0.62**by).astype(np.uint8), "brightness", "too_dark"),
        (lambda image, by: cv2.convertScaleAbs(image, None, 1.25**by, 0), "score", "too_bright"),
    ],
    ids=["blur", "motion sideways", "motion upwards", "dark", "overexposed"],
)
def test_quality_falls_step_by_step_and_names_the_fault(
    spoil: Callable[[Image, int], Image], part: str, reason: str, portrait: tuple[Image, Face]
) -> None:
    image, face = portrait
    steps = [_measured(spoil(image, by), face) for by in range(1, 8)]
    values = [getattr(step, part) for step in steps]
    assert values == sorted(values, reverse=True)
    assert steps[-1].score < steps[0].score - 0.1
    assert reason in steps[-1].reasons
    assert reason not in steps[0].reasons


def _enlarged(image: Image, face_px: float) -> Image:
    """The face of about 100 pixels made so small, and large again."""
    height, width = image.shape[:2]
    size = (round(width * face_px / 100), round(height * face_px / 100))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def _grainy(image: Image, sigma: float) -> Image:
    noise = np.random.default_rng(0).normal(0, sigma, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def _compressed(image: Image, quality: int) -> Image:
    encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)


@pytest.mark.weights
@pytest.mark.parametrize(
    ("spoiled", "part", "reason"),
    [
        (lambda image: _enlarged(image, 17), "detail_px", "low_resolution"),
        (lambda image: _grainy(image, 35), "noise", "noisy"),
        (lambda image: _compressed(image, 5), "blocking", "compressed"),
    ],
    ids=["enlarged", "noise", "JPEG quality 5"],
)
def test_a_face_without_detail_with_grain_or_in_blocks_is_told(
    spoiled: Callable[[Image], Image], part: str, reason: str, portrait: tuple[Image, Face]
) -> None:
    image, face = portrait
    good, poor = _measured(image, face), _measured(spoiled(image), face)
    assert reason not in good.reasons
    assert reason in poor.reasons
    assert poor.score < good.score - 0.1
    ratio = getattr(poor, part) / getattr(good, part)
    assert ratio < 0.6 if part == "detail_px" else ratio > 4


@pytest.mark.weights
def test_an_enlarged_face_shows_as_many_pixels_as_it_had(portrait: tuple[Image, Face]) -> None:
    image, face = portrait
    for pixels in (14, 17, 24):
        quality = _measured(_enlarged(image, pixels), face)
        assert quality.size_px == pytest.approx(100, abs=1)
        assert quality.detail_px == pytest.approx(pixels, rel=0.3)


@pytest.mark.weights
def test_noise_does_not_count_as_sharpness(portrait: tuple[Image, Face]) -> None:
    image, face = portrait
    blurred = cv2.GaussianBlur(image, (0, 0), 3)
    noise = np.random.default_rng(0).normal(0, 4, image.shape)
    noisy = np.clip(blurred + noise, 0, 255).astype(np.uint8)
    assert _measured(noisy, face).sharpness < 0.5 * _measured(image, face).sharpness


@pytest.mark.weights
def test_quality_ignores_pixels_around_the_face(portrait: tuple[Image, Face]) -> None:
    image, face = portrait
    crop = align_faces(image, face.landmarks[None], TEMPLATE_112, 112)[0]
    around = crop.copy()
    around[:28] = around[-4:] = 255
    around[:, :20] = around[:, -20:] = np.random.default_rng(1).integers(0, 256, (112, 20, 3))
    assert measure(face, around, image) == measure(face, crop, image)


def test_sharpness_is_of_contrast_not_of_light() -> None:
    def sharpness_of(grey: Float32) -> float:
        return sharpness(grey, contrast(grey))

    texture = cv2.GaussianBlur(np.random.default_rng(2).normal(0, 200, (72, 68)), (0, 0), 1.5)
    grey = (130 + texture).astype(np.float32)
    assert sharpness_of(grey * 0.6 + 20) == pytest.approx(sharpness_of(grey), rel=0.15)
    assert sharpness_of(np.full((72, 68), 99, np.float32)) == 0


def _turned(landmarks: Float32, degrees: float) -> Float32:
    turn = np.radians(degrees)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return (landmarks @ matrix.T).astype(np.float32)


def test_pose_follows_a_turned_and_a_tilted_head() -> None:
    yaw, pitch, roll = pose(TEMPLATE_112)
    assert abs(yaw) < 3
    assert abs(pitch) < 12
    assert abs(roll) < 1
    for degrees in (-40, 25, 90):
        turned = pose(_turned(TEMPLATE_112, degrees))
        assert turned[2] == pytest.approx(roll + degrees, abs=0.5)
        assert turned[:2] == pytest.approx((yaw, pitch), abs=0.5), "a tilted head is not turned"
    aside = TEMPLATE_112.copy()
    aside[2, 0] += 12
    assert pose(aside)[0] > yaw + 15
    lower = TEMPLATE_112.copy()
    lower[2, 1] += 8
    assert pose(lower)[1] > pitch + 10
    mirrored = TEMPLATE_112[[1, 0, 2, 4, 3]] * np.array([-1, 1], np.float32)
    assert pose(mirrored)[0] == pytest.approx(-yaw, abs=0.5)


def test_pose_of_landmarks_in_one_point_is_finite() -> None:
    assert np.isfinite(pose(np.full((5, 2), 7, np.float32))).all()


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"size_px": 20.0}, "too_small"),
        ({"sharpness": 0.05}, "blurred"),
        ({"brightness": 12.0}, "too_dark"),
        ({"brightness": 240.0}, "too_bright"),
        ({"yaw": -70.0}, "turned_away"),
        ({"pitch": 50.0}, "turned_away"),
        ({"roll": 80.0}, "tilted"),
        ({"detection": 0.6}, "low_detection_score"),
    ],
)
def test_every_fault_is_refused_by_its_name(fault: dict[str, Any], reason: str) -> None:
    poor = replace(GOOD, **fault)
    assert refusals(poor, "standard") == (reason,)
    assert refusals(poor, "strict") == (reason,)
    assert refusals(poor, "off") == ()
    assert reason in REASON_TEXTS


def test_the_worst_fault_comes_first() -> None:
    poor = replace(GOOD, size_px=30.0, roll=179.0, sharpness=0.1)
    assert refusals(poor, "standard") == ("tilted", "blurred", "too_small")


def test_strict_quality_refuses_every_face_that_standard_refuses() -> None:
    standard, strict = POLICIES["standard"], POLICIES["strict"]
    for name in ("min_size_px", "min_sharpness", "min_brightness", "min_detection"):
        assert getattr(strict, name) >= getattr(standard, name)
    for name in ("max_brightness", "max_yaw", "max_pitch", "max_roll"):
        assert getattr(strict, name) <= getattr(standard, name)
