"""What O-Net's answers mean."""

from __future__ import annotations

import numpy as np

from ml_engine.detection.onet import _mirrored


def test_answers_for_mirrored_crops_are_turned_round() -> None:
    offsets = np.array([[0.1, 0.2, -0.3, 0.4]], np.float32)
    points = np.array([[0.2, 0.7, 0.4, 0.3, 0.6, 0.11, 0.12, 0.5, 0.8, 0.81]], np.float32)
    turned, swapped, scores = _mirrored(offsets, points, np.array([[0.1, 0.9]], np.float32))
    np.testing.assert_allclose(turned, [[0.3, 0.2, -0.1, 0.4]], atol=1e-6)
    wanted = [[0.3, 0.8, 0.6, 0.4, 0.7, 0.12, 0.11, 0.5, 0.81, 0.8]]
    np.testing.assert_allclose(swapped, wanted, atol=1e-6)
    assert scores[0, 1] == np.float32(0.9)
