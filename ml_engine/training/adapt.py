"""Adapting an embedder to a camera: its last blocks learn to give for a picture of the camera the
vector that the unchanged network gives for a clean picture of the same face.

This is distillation (Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015,
arXiv:1503.02531) with the network as its own teacher. It needs pairs of pictures and no names. The
clean pictures are learned as well, so that the network stays what it is for them. The blocks
before are frozen: what they give is worked out once.

Two baselines cost nothing and are what a trained last layer is worth: moving the mean of the
camera's vectors to the clean mean, and a linear map (ridge regression).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from ml_engine.embedding.base import unit
from ml_engine.training.judging import compiled
from ml_engine.training.losses import unit_rows
from ml_engine.training.train import assign, values_of
from ml_engine.types import EngineError, Float32

Pixels = NDArray[np.uint8]
# A compiled part of a network: a batch and `training`, to what it gives.
Run = Callable[..., Any]
_ROWS = 64


@dataclass(frozen=True, slots=True)
class CameraPairs:
    """clean: (n, size, size, 3) RGB. camera: (m, size, size, 3). clean_row: (m,) the row of the
    clean picture that shows the same face as each picture of the camera."""

    clean: Pixels
    camera: Pixels
    clean_row: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Adaptation:
    """How to adapt.

    keep: weight of the clean pictures in the loss.
    blend: share of the learned change that is kept. Weights between the old and the new ones lose
        less on clean pictures for what they give up on the camera's (Wortsman and others, "Robust
        Fine-Tuning of Zero-Shot Models", 2021, arXiv:2109.01903).
    """

    epochs: int = 3
    batch: int = 64
    rate: float = 5e-4
    keep: float = 1.0
    blend: float = 0.9
    seed: int = 0


def adapt(
    network: Any,
    pairs: CameraPairs,
    others: CameraPairs,
    settings: Adaptation | None = None,
    *,
    told: Callable[[int, float, float], None] = lambda epoch, loss, cosine: None,
) -> None:
    """Change the last blocks of a network.

    Args:
        network: a Keras model, pixels 0..255 (n, size, size, 3) to (n, d).
        others: pairs of other people. The weights of the epoch are kept that bring their pictures
            of the camera closest to the clean ones.
        told: hears the epoch, its mean loss, and that mean cosine.

    Raises:
        EngineError: the network has no blocks that could be adapted.
    """
    chosen = settings or Adaptation()
    front, tail = split_network(network)
    run_front, run_tail = compiled(front), compiled(tail)
    teach, test = (_taught(run_front, run_tail, each) for each in (pairs, others))
    before = values_of(tail.trainable_variables)
    best, best_cosine = before, _cosine(run_tail, test)
    step = _step(tail, chosen)
    steps = chosen.epochs * -(-len(pairs.camera) // chosen.batch)
    done = 0
    for epoch in range(chosen.epochs):
        losses = []
        order = np.random.default_rng((chosen.seed, epoch)).permutation(len(pairs.camera))
        for rows in np.array_split(order, -(-len(order) // chosen.batch)):
            rate = chosen.rate * (1 + math.cos(math.pi * done / steps)) / 2
            losses.append(step(*teach.batch(rows), rate))
            done += 1
        cosine = _cosine(run_tail, test)
        told(epoch, float(np.mean(losses)), cosine)
        if cosine > best_cosine:
            best, best_cosine = values_of(tail.trainable_variables), cosine
    blended = [old + chosen.blend * (new - old) for old, new in zip(before, best, strict=True)]
    assign(tail.trainable_variables, blended)


def split_network(network: Any) -> tuple[Any, Any]:
    """The network up to the last block before its picture is halved for the last time, and the
    rest. Both share their layers with the network.

    Raises:
        EngineError: it has no blocks, whose ends are sums, of two sizes.
    """
    sums = [layer for layer in network.layers if isinstance(layer, keras.layers.Add)]
    sides = [layer.output.shape[1] for layer in sums]
    before = [layer for layer, side in zip(sums, sides, strict=True) if side > sides[-1]]
    if not before:
        raise EngineError("This network has no residual blocks of two sizes: it is not adapted.")
    cut = before[-1].output
    return keras.Model(network.inputs[0], cut), keras.Model(cut, network.outputs[0])


@dataclass(frozen=True, slots=True)
class _Lesson:
    """What the frozen part gives for clean and camera pictures (float16 saves memory), and the
    vectors (n, d) of the unchanged network for the clean ones."""

    clean: NDArray[np.float16]
    camera: NDArray[np.float16]
    clean_row: NDArray[np.intp]
    targets: Float32

    def batch(self, rows: NDArray[np.intp]) -> tuple[Float32, Float32, Float32]:
        """Features of camera pictures, of their clean ones, and the vectors to be given."""
        clean = self.clean_row[rows]
        features = self.camera[rows].astype(np.float32), self.clean[clean].astype(np.float32)
        return *features, self.targets[clean]


def _taught(front: Run, tail: Run, pairs: CameraPairs) -> _Lesson:
    clean, camera = _run(front, pairs.clean, np.float16), _run(front, pairs.camera, np.float16)
    return _Lesson(clean, camera, pairs.clean_row, unit(_run(tail, clean)))


def _run(run: Run, batch: NDArray[Any], kind: Any = np.float32) -> NDArray[Any]:
    parts = (batch[start : start + _ROWS] for start in range(0, len(batch), _ROWS))
    return np.concatenate(
        [run(tf.constant(part, tf.float32), training=False).numpy().astype(kind) for part in parts]
    )


def _cosine(tail: Run, lesson: _Lesson) -> float:
    """The mean cosine between camera pictures and what the unchanged network gives for the clean
    ones, less that of strangers: a network that gives the same for all has none."""
    vectors = unit(_run(tail, lesson.camera))
    own = np.einsum("nd,nd->n", vectors, lesson.targets[lesson.clean_row]).mean()
    return float(own - vectors.mean(axis=0) @ lesson.targets.mean(axis=0))


def _step(tail: Any, settings: Adaptation) -> Callable[..., float]:
    optimiser = keras.optimizers.Adam(settings.rate)
    weights = tail.trainable_variables
    optimiser.build(weights)

    @tf.function(reduce_retracing=True)
    def on_device(camera: Any, clean: Any, targets: Any) -> Any:
        with tf.GradientTape() as tape:
            found = unit_rows(tail(ops.concatenate([camera, clean]), training=True))
            away = 1 - ops.sum(found * ops.concatenate([targets, targets]), axis=1)
            of_camera, of_clean = ops.split(away, 2)
            loss = ops.mean(of_camera) + settings.keep * ops.mean(of_clean)
        optimiser.apply(tape.gradient(loss, weights), weights)
        return loss

    def step(camera: Float32, clean: Float32, targets: Float32, rate: float) -> float:
        optimiser.learning_rate = rate
        return float(on_device(*map(tf.constant, (camera, clean, targets))))

    return step


def save_adapted(network: Any, path: Path) -> None:
    """Write the network beside and rename it; the file takes RGB pixels 0..255."""
    beside = path.with_name(f"part.{path.name}")
    network.save(beside)
    beside.replace(path)


@dataclass(frozen=True, slots=True)
class MeanShift:
    """Vectors of the camera, moved by the difference of the means."""

    shift: Float32

    @classmethod
    def fit(cls, camera: Float32, clean: Float32) -> MeanShift:
        """(n, d) of length 1 both, of the same faces."""
        return cls(clean.mean(axis=0) - camera.mean(axis=0))

    def __call__(self, camera: Float32) -> Float32:
        return unit(camera + self.shift)


@dataclass(frozen=True, slots=True)
class Ridge:
    """Vectors of the camera, mapped linearly by ridge regression."""

    camera_mean: Float32
    clean_mean: Float32
    matrix: Float32

    @classmethod
    def fit(cls, camera: Float32, clean: Float32, penalty: float) -> Ridge:
        """(n, d) of length 1 both, of the same faces. penalty: in shares of the mean variance."""
        x, y = camera - camera.mean(axis=0), clean - clean.mean(axis=0)
        covariance = x.T @ x / len(x)
        weight = penalty * np.trace(covariance) / len(covariance)
        matrix = np.linalg.solve(covariance + weight * np.eye(len(covariance)), x.T @ y / len(x))
        return cls(camera.mean(axis=0), clean.mean(axis=0), matrix.astype(np.float32))

    def __call__(self, camera: Float32) -> Float32:
        mapped = (camera - self.camera_mean) @ self.matrix + self.clean_mean
        return unit(mapped.astype(np.float32))
