"""Degradations are fitted to what a camera did, and done to other pictures."""

from __future__ import annotations

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


def _detail(pictures: Image) -> float:
    greys = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in pictures]
    return float(np.mean([cv2.Laplacian(grey, cv2.CV_32F).std() for grey in greys]))


@pytest.mark.parametrize(("face_px", "is_grey"), [(14, True), (48, False)])
def test_fitted_degradations_leave_as_much_detail_as_the_camera(
    face_px: int, is_grey: bool
) -> None:
    from ml_engine.training.camera import Degradation, fit_camera, pairs_by

    random = np.random.default_rng(5)
    camera = Degradation(face_px, blur=0.4, noise=2, quality=80, is_grey=is_grey)
    seen = np.stack([camera.apply(face, random) for face in _faces(25, seed=1)])
    clean = _faces(25, seed=0)
    fitted = fit_camera(clean, seen, seed=0)
    assert len(fitted) == 25
    assert {one.is_grey for one in fitted} == {is_grey}
    faces = Faces(clean, np.arange(25), [])
    spoiled = pairs_by(faces, fitted, versions=1, seed=0).camera
    assert 0.7 < _detail(spoiled) / _detail(seen) < 1.4
    assert _detail(clean) > 2 * _detail(seen)


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
