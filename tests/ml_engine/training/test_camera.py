"""Degradations are fitted to what a camera did, and done to other pictures."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from ml_engine.training.data import Faces
from ml_engine.types import Image

pytestmark = pytest.mark.tensorflow
_SIZE = 64


def _faces(count: int, seed: int) -> Image:
    """Patterns with detail of every size, as faces have."""
    random = np.random.default_rng(seed)
    found = np.zeros((count, _SIZE, _SIZE, 3), np.float32)
    for side in (4, 8, 16, 32, 64):
        for number in range(count):
            part = random.normal(0, 120 / side**0.5, (side, side, 3)).astype(np.float32)
            found[number] += cv2.resize(part, (_SIZE, _SIZE), interpolation=cv2.INTER_CUBIC)
    return np.clip(found + 128, 0, 255).astype(np.uint8)


def _median(camera: Callable[[Image, np.random.Generator], Image]) -> tuple[float, bool]:
    """The median size of the fitted degradations, and whether they are grey."""
    from ml_engine.training.camera import fit_camera

    random = np.random.default_rng(5)
    seen = np.stack([camera(face, random) for face in _faces(30, seed=1)])
    fitted = fit_camera(_faces(20, seed=0), seen, seed=0)
    assert len(fitted) == 30
    return float(np.median([one.face_px for one in fitted])), fitted[0].is_grey


def test_fit_tells_a_camera_that_sees_small_faces_from_one_that_sees_large_ones() -> None:
    from ml_engine.training.camera import Degradation

    sizes = []
    for face_px in (14, 28, 56):
        one = Degradation(face_px, blur=0.3, noise=1, quality=90, is_grey=face_px == 28)
        size, is_grey = _median(one.apply)
        sizes.append(size)
        assert is_grey == one.is_grey
    assert sizes == sorted(sizes)
    assert sizes[0] < 28 < sizes[2]


def test_pairs_hold_each_face_in_every_version() -> None:
    from ml_engine.training.camera import Degradation, pairs_by

    faces = Faces(_faces(4, seed=2), np.array([0, 0, 1, 1]), ["a", "b"])
    degradations = [Degradation(20, 1.0, 3.0, 40, is_grey) for is_grey in (False, True)]
    pairs = pairs_by(faces, degradations, versions=3, seed=0)
    assert pairs.camera.shape == (12, _SIZE, _SIZE, 3)
    assert pairs.clean_row.tolist() == [0, 1, 2, 3] * 3
    assert (pairs.camera != pairs_by(faces, degradations, versions=3, seed=1).camera).any()
    np.testing.assert_array_equal(
        pairs.camera, pairs_by(faces, degradations, versions=3, seed=0).camera
    )
