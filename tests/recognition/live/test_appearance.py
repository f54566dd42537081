from __future__ import annotations

import numpy as np
import pytest

from recognition.live.looks import appearance_of

# Below this a face is looked at again.
LIKE = 0.7
_BOX = np.array([20, 20, 80, 80], np.float32)


def _noise(seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 255, (10, 10, 3), np.uint8)
    return np.kron(coarse, np.ones((10, 10, 1), np.uint8))


def test_a_face_that_moves_and_brightens_looks_the_same() -> None:
    image = _noise(1)
    brighter = np.clip(image * 0.6 + 40, 0, 255).astype(np.uint8)
    moved = _BOX + np.float32(2)
    assert appearance_of(image, _BOX) @ appearance_of(brighter, moved) > LIKE


def test_another_face_in_its_place_looks_otherwise() -> None:
    assert appearance_of(_noise(1), _BOX) @ appearance_of(_noise(2), _BOX) < LIKE


@pytest.mark.parametrize(
    "box", [(-30, -30, 10, 10), (95, 95, 130, 130), (200, 200, 230, 230), (50, 50, 50, 50)]
)
def test_a_box_may_leave_the_picture(box: tuple[float, ...]) -> None:
    looks = appearance_of(_noise(1), np.array(box, np.float32))
    assert looks.shape == (144,)
    assert np.isfinite(looks).all()
