"""Losses: layers that take vectors (n, d), not of length 1, and the number of each one's person
(n,), and give one number. What they learn beside the network, such as a plane for each person, is
theirs and is not served.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from ml_engine.recipe import Loss

_CENTRE_WEIGHT = 0.01


class ClassLoss(keras.Layer):
    """A plane for each person, softmax, and a loss on the probabilities of all people.

    Args:
        kind: one of `CLASS_LOSSES`.
    """

    def __init__(self, people: int, kind: str) -> None:
        super().__init__(dtype="float32")
        self._people = people
        self._loss = CLASS_LOSSES[kind]
        self._planes = keras.layers.Dense(people, dtype="float32")

    def build(self, vectors_shape: tuple[int | None, ...]) -> None:
        self._planes.build(vectors_shape)

    def call(self, vectors: Any, owners: Any) -> Any:
        return ops.mean(self._loss(self._planes(vectors), owners, self._people))


def _one_hot_entropy(logits: Any, owners: Any, people: int) -> Any:
    targets = ops.one_hot(owners, people)
    return keras.losses.categorical_crossentropy(targets, logits, from_logits=True)


def _sparse_entropy(logits: Any, owners: Any, people: int) -> Any:
    return keras.losses.sparse_categorical_crossentropy(owners, logits, from_logits=True)


def _on_one_hot(loss: Callable[[Any, Any], Any]) -> Callable[[Any, Any, int], Any]:
    return lambda logits, owners, people: loss(ops.one_hot(owners, people), ops.softmax(logits))


CLASS_LOSSES: dict[str, Callable[[Any, Any, int], Any]] = {
    "softmax": _one_hot_entropy,
    "sparse_softmax": _sparse_entropy,
    "mean_squared": _on_one_hot(keras.losses.mean_squared_error),
    "squared_logarithmic": _on_one_hot(keras.losses.mean_squared_logarithmic_error),
    "absolute": _on_one_hot(keras.losses.mean_absolute_error),
}


class CentreLoss(ClassLoss):
    """Softmax, and the squared distance to a centre that is learned for each person.

    Wen, Zhang, Li, Qiao, "A Discriminative Feature Learning Approach for Deep Face Recognition",
    2016. There the centres move by a rule of their own; here they are weights as any others.
    """

    def __init__(self, people: int) -> None:
        super().__init__(people, "sparse_softmax")

    def build(self, vectors_shape: tuple[int | None, ...]) -> None:
        super().build(vectors_shape)
        self._centres = self.add_weight(
            shape=(self._people, vectors_shape[-1]), initializer="zeros", name="centres"
        )

    def call(self, vectors: Any, owners: Any) -> Any:
        away = vectors - ops.matmul(ops.one_hot(owners, self._people), self._centres)
        distance = ops.mean(ops.sum(ops.square(away), axis=1)) / 2
        return super().call(vectors, owners) + _CENTRE_WEIGHT * distance


class ArcFaceLoss(keras.Layer):
    """Softmax over the cosines with a direction for each person, after the angle to the right one
    was made larger by `margin`.

    Deng, Guo, Xue, Zafeiriou, "ArcFace: Additive Angular Margin Loss for Deep Face Recognition",
    2018 (arXiv:1801.07698).
    """

    def __init__(self, people: int, margin: float, scale: float) -> None:
        super().__init__(dtype="float32")
        self._people, self._margin, self._scale = people, margin, scale

    def build(self, vectors_shape: tuple[int | None, ...]) -> None:
        self._directions = self.add_weight(
            shape=(self._people, vectors_shape[-1]), initializer="glorot_normal", name="directions"
        )

    def call(self, vectors: Any, owners: Any) -> Any:
        cosines = ops.matmul(unit_rows(vectors), ops.transpose(unit_rows(self._directions)))
        sines = ops.sqrt(ops.clip(1 - ops.square(cosines), 1e-7, 1))
        moved = cosines * np.cos(self._margin) - sines * np.sin(self._margin)
        # Beyond 180 degrees the cosine would rise again: there, a line of the same slope.
        line = cosines - self._margin * np.sin(self._margin)
        moved = ops.where(cosines > np.cos(np.pi - self._margin), moved, line)
        is_own = ops.one_hot(owners, self._people)
        logits = self._scale * (is_own * moved + (1 - is_own) * cosines)
        return ops.mean(_sparse_entropy(logits, owners, self._people))


class TripletLoss(keras.Layer):
    """For each pair of one person: the nearest stranger who is farther than the pair, or if there
    is none, the farthest stranger, is to be farther by `margin` (semi-hard mining).

    Schroff, Kalenichenko, Philbin, "FaceNet: A Unified Embedding for Face Recognition and
    Clustering", 2015 (arXiv:1503.03832). Needs batches with several pictures of a person.
    """

    def __init__(self, margin: float) -> None:
        super().__init__(dtype="float32")
        self._margin = margin

    def call(self, vectors: Any, owners: Any) -> Any:
        units = unit_rows(vectors)
        distances = 2 - 2 * ops.matmul(units, ops.transpose(units))  # (n, n), squared
        is_same = ops.equal(owners[:, None], owners[None])
        # (anchor, partner, stranger)
        is_farther = ops.logical_and(
            ~is_same[:, None, :], distances[:, None, :] > distances[:, :, None]
        )
        far = 1e3  # beyond every distance
        nearest = ops.min(ops.where(is_farther, distances[:, None, :], far), axis=2)
        farthest = ops.max(ops.where(is_same, -far, distances), axis=1)
        stranger = ops.where(nearest < far, nearest, farthest[:, None])
        is_pair = ops.cast(is_same, "float32") - ops.eye(ops.shape(distances)[0])
        lost = ops.relu(self._margin + distances - stranger) * is_pair
        return ops.sum(lost) / ops.maximum(ops.sum(is_pair), 1.0)


def build_loss(name: Loss, people: int, *, margin: float, scale: float) -> keras.Layer:
    """margin: of ArcFace (radians) and of triplets (squared distance). scale: of ArcFace's
    cosines."""
    if name == "centre":
        return CentreLoss(people)
    if name == "arcface":
        return ArcFaceLoss(people, margin, scale)
    return TripletLoss(margin) if name == "triplet" else ClassLoss(people, name)


def unit_rows(vectors: Any) -> Any:
    """Rows scaled to length 1; a row of zeros stays one."""
    length = ops.sqrt(ops.sum(ops.square(vectors), axis=-1, keepdims=True) + 1e-12)
    return vectors / length
