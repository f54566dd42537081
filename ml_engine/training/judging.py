"""Figures of a network on people: all pairs of their pictures, by the cosine of both vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score, roc_curve

from ml_engine.embedding.base import unit
from ml_engine.training.data import Faces
from ml_engine.types import Float32

_ROWS = 64


@dataclass(frozen=True, slots=True)
class Figures:
    """auc: area under the ROC curve. threshold: the best one for `accuracy`, which is balanced:
    the mean of the shares of genuine and of impostor pairs that are told rightly. tmr: share of
    genuine pairs that match at a false-match rate of 1 %."""

    auc: float
    accuracy: float
    threshold: float
    tmr: float


def compiled(network: Any) -> Callable[..., Any]:
    """A Keras model as a function of a batch and `training`, several times as fast."""
    import tensorflow as tf

    return tf.function(
        lambda batch, training: network(batch, training=training), reduce_retracing=True
    )


def embed(
    network: Callable[..., Any], pictures: NDArray[np.uint8], *, flip: bool = True
) -> Float32:
    """Pictures (n, size, size, channels) to vectors (n, d) of length 1.

    Args:
        network: a Keras model, or `compiled`.
        flip: average with the vector of the mirror image.
    """
    parts = []
    for start in range(0, len(pictures), _ROWS):
        part = pictures[start : start + _ROWS].astype(np.float32)
        vectors = unit(np.asarray(network(part, training=False), np.float32))
        if flip:
            mirrored = np.ascontiguousarray(part[:, :, ::-1])
            vectors = vectors + unit(np.asarray(network(mirrored, training=False), np.float32))
        parts.append(unit(vectors))
    return np.concatenate(parts)


def judge(network: Callable[..., Any], faces: Faces, *, flip: bool = True) -> Figures:
    return figures(embed(network, faces.pictures, flip=flip), faces.people)


def figures(
    vectors: Float32, people: NDArray[np.intp], *, threshold: float | None = None
) -> Figures:
    """Args:

    vectors: (n, d) of length 1. people: (n,).
    threshold: for `accuracy`, such as the best one on other people; None is the best one here.
    """
    return _figures(*pair_scores(vectors, people), threshold)


def figures_between(
    gallery: Float32, probes: Float32, people: NDArray[np.intp], rows: NDArray[np.intp]
) -> Figures:
    """Of each probe against the gallery, but for the picture that it was made from.

    Args:
        gallery: (n, d), probes: (m, d), both of length 1. people: (n,) of the gallery.
        rows: (m,) the row of the gallery that each probe was made from.
    """
    scores = np.nan_to_num(probes).astype(np.float64) @ np.nan_to_num(gallery).T
    is_other = np.arange(len(people)) != rows[:, None]
    is_same = people[rows][:, None] == people
    return _figures(scores[is_other], is_same[is_other], None)


def _figures(
    scores: NDArray[np.float64], is_same: NDArray[np.bool_], threshold: float | None
) -> Figures:
    fmr, tmr, thresholds = roc_curve(is_same, scores, drop_intermediate=False)
    if threshold is None:
        balanced = (tmr + 1 - fmr) / 2
        # The middle between the last pair that matches and the next one, which does not.
        best = int(np.argmax(balanced))
        below = thresholds[min(best + 1, len(thresholds) - 1)]
        threshold = float((min(thresholds[best], 1.0) + below) / 2)
    match = scores >= threshold
    accuracy = (match[is_same].mean() + (~match[~is_same]).mean()) / 2
    return Figures(
        auc=float(roc_auc_score(is_same, scores)),
        accuracy=float(accuracy),
        threshold=threshold,
        tmr=float(tmr[fmr <= 0.01].max()),
    )


def pair_scores(
    vectors: Float32, people: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The cosine of each pair, and whether both are one person. Vectors that are not numbers, of a
    network that diverged, are similar to none."""
    left, right = np.triu_indices(len(people), 1)
    scores = (np.nan_to_num(vectors).astype(np.float64) @ np.nan_to_num(vectors).T)[left, right]
    return scores, people[left] == people[right]
