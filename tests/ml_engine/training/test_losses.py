"""Each loss gives what its formula says, and falls with the right answer."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from ml_engine.recipe import Loss

pytestmark = pytest.mark.tensorflow

_OWNERS = np.array([0, 0, 1, 1, 2, 2])


def _close(spread: float) -> np.ndarray:
    """Vectors of three people, (6, 4)."""
    random = np.random.default_rng(0)
    centres = 3 * np.eye(3, 4, dtype=np.float32)
    return (centres[_OWNERS] + spread * random.standard_normal((6, 4))).astype(np.float32)


@pytest.mark.parametrize("name", get_args(Loss))
def test_loss_falls_by_its_gradient(name: Loss) -> None:
    import tensorflow as tf

    from ml_engine.training.losses import build_loss

    loss = build_loss(name, 3, margin=0.2, scale=8.0)
    loss.build((None, 4))
    vectors = tf.Variable(_close(2.0))
    weights = [vectors, *(weight.value for weight in loss.trainable_variables)]
    values = []
    for _ in range(25):
        with tf.GradientTape() as tape:
            value = loss(vectors, tf.constant(_OWNERS))
        values.append(float(value))
        for weight, slope in zip(weights, tape.gradient(value, weights), strict=True):
            weight.assign_sub(0.3 * slope)
    assert np.isfinite(values).all()
    assert values[-1] < 0.95 * values[0]


def test_one_hot_and_sparse_entropy_are_the_same() -> None:
    from ml_engine.training.losses import CLASS_LOSSES

    logits = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32)
    expected = -np.log(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))
    for name in ("softmax", "sparse_softmax"):
        found = np.asarray(CLASS_LOSSES[name](logits, _OWNERS, 3))
        np.testing.assert_allclose(found, expected[np.arange(6), _OWNERS], rtol=1e-5)


def test_arcface_without_margin_is_softmax_over_scaled_cosines() -> None:
    from ml_engine.training.losses import ArcFaceLoss

    loss = ArcFaceLoss(3, margin=0.0, scale=5.0)
    loss.build((None, 4))
    vectors, directions = _close(1.0), loss.trainable_variables[0].numpy()
    units = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (vectors, directions)]
    logits = 5 * units[0] @ units[1].T
    expected = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(6), _OWNERS]
    assert float(loss(vectors, _OWNERS)) == pytest.approx(expected.mean(), rel=1e-4)


def test_arcface_with_margin_costs_more() -> None:
    from ml_engine.training.losses import ArcFaceLoss

    values = []
    for margin in (0.0, 0.5):
        loss = ArcFaceLoss(3, margin=margin, scale=5.0)
        loss.build((None, 4))
        loss.trainable_variables[0].assign(np.eye(3, 4, dtype=np.float32))
        values.append(float(loss(_close(0.5), _OWNERS)))
    assert values[1] > values[0]


def test_triplet_takes_the_nearest_stranger_beyond_the_partner() -> None:
    from ml_engine.training.losses import TripletLoss

    # Angles of the vectors; person 0 has two, at 0 and 20 degrees.
    angles = np.deg2rad([0.0, 20.0, 10.0, 30.0])
    vectors = np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)
    owners = np.array([0, 0, 1, 2])

    def squared(degrees: float) -> float:
        return 2 - 2 * float(np.cos(np.deg2rad(degrees)))

    pair = squared(20)
    # From 0: the stranger at 30 is the nearest beyond 20. From 20: none is beyond, so the farthest
    # of the two at 10 degrees.
    expected = (max(0, 0.5 + pair - squared(30)) + max(0, 0.5 + pair - squared(10))) / 2
    assert float(TripletLoss(0.5)(vectors, owners)) == pytest.approx(expected, rel=1e-3)


def test_centre_loss_adds_the_distance_to_the_centre() -> None:
    from ml_engine.training.losses import CentreLoss

    loss = CentreLoss(3)
    loss.build((None, 4))
    far, near = float(loss(10 * _close(0.0), _OWNERS)), float(loss(_close(0.0), _OWNERS))
    assert far > near, "centres begin at zero"
