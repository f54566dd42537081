"""Adapting an embedder to a camera: its last blocks learn to give for a picture of the camera the
vector that the unchanged network gives for a clean picture of the same face.

This is distillation (Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015,
arXiv:1503.02531) with the network as its own teacher. It needs pairs of pictures and no names. The
clean pictures are learned as well, so that the network stays what it is for them. The blocks
before are frozen: what they give is worked out once. `baselines.py` has what it is compared with.
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
from ml_engine.recipe import Adaptation
from ml_engine.training import checkpoint
from ml_engine.training.checkpoint import Judged, Position
from ml_engine.training.judging import compiled, figures_between
from ml_engine.training.losses import unit_rows
from ml_engine.training.train import CHECKPOINT, Ends, Told, assign, values_of
from ml_engine.types import EngineError, Float32

Pixels = NDArray[np.uint8]
# A compiled part of a network: a batch and `training`, to what it gives.
Run = Callable[..., Any]
_ROWS = 64


@dataclass(frozen=True, slots=True)
class CameraPairs:
    """clean: (n, size, size, 3) RGB. camera: (m, size, size, 3). clean_row: (m,) the row of the
    clean picture that shows the same face as each picture of the camera. people: (n,) the person of
    each clean picture, for figures."""

    clean: Pixels
    camera: Pixels
    clean_row: NDArray[np.intp]
    people: NDArray[np.intp]


def adapt(
    network: Any,
    pairs: CameraPairs,
    others: CameraPairs,
    settings: Adaptation | None = None,
    *,
    folder: Path | None = None,
    told: Told = lambda point, steps: None,
    ends: Ends = lambda position, steps: False,
) -> Position:
    """Change the last blocks of a network, or go on with a run that was cut off.

    Args:
        network: a Keras model, pixels 0..255 (n, size, size, 3) to (n, d), with its first weights.
        others: pairs of other people. The weights of the epoch are kept that bring their pictures
            of the camera closest to the clean ones.
        folder: for a checkpoint after each epoch; None keeps none.
        told: hears each point of the curve. An epoch is one.
        ends: if it says yes, the run ends with this epoch, with the best weights so far.

    Raises:
        EngineError: the network has no blocks that could be adapted.
    """
    chosen = settings or Adaptation()
    front, tail = split_network(network)
    run_front, run_tail = compiled(front), compiled(tail)
    teach, test = (_taught(run_front, run_tail, each) for each in (pairs, others))
    weights = tail.trainable_variables
    before = values_of(weights)
    step, optimiser = _step(tail, chosen)
    groups = {"tail": weights, "optimiser": optimiser.variables}
    in_epoch = -(-len(pairs.camera) // chosen.batch)
    steps = chosen.epochs * in_epoch
    position, best, best_cosine = _restored(run_tail, test, groups, folder)

    while position.step < steps and not position.is_over:
        epoch = position.step // in_epoch
        order = np.random.default_rng((chosen.seed, epoch)).permutation(len(pairs.camera))
        for rows in np.array_split(order, in_epoch):
            rate = chosen.rate * (1 + math.cos(math.pi * position.step / steps)) / 2
            position.losses.append(step(*teach.batch(rows), rate))
            position.step += 1
            position.is_over |= ends(position, steps)
            if position.is_over:
                break
        told(_look(run_tail, test, position, rate), steps)
        cosine = _cosine(run_tail, test)
        if cosine > best_cosine:
            best, best_cosine, position.best_step = values_of(weights), cosine, position.step
        if folder:
            stored = {name: values_of(group) for name, group in groups.items()}
            checkpoint.save(folder / CHECKPOINT, position, {**stored, "best": best})
    blended = [old + chosen.blend * (new - old) for old, new in zip(before, best, strict=True)]
    assign(weights, blended)
    return position


def _restored(
    tail: Run, test: _Lesson, groups: dict[str, list[Any]], folder: Path | None
) -> tuple[Position, checkpoint.Arrays, float]:
    """Where the run stands, the best weights so far, and their cosine."""
    stored = checkpoint.restore(folder / CHECKPOINT, [*groups, "best"]) if folder else None
    if stored is None:
        return Position(), values_of(groups["tail"]), _cosine(tail, test)
    position, arrays = stored
    assign(groups["tail"], arrays["best"])
    cosine = _cosine(tail, test)
    for name, group in groups.items():
        assign(group, arrays[name])
    return position, arrays["best"], cosine


def _look(tail: Run, test: _Lesson, position: Position, rate: float) -> Judged:
    """The next point of the curve: other people, camera pictures against clean ones."""
    vectors = unit(_run(tail, test.camera))
    found = figures_between(test.targets, vectors, test.people, test.clean_row)
    loss = float(np.mean(position.losses))
    point = Judged(position.step, loss, rate, found.auc, found.accuracy)
    position.curve.append(point)
    position.losses = []
    return point


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
    vectors (n, d) of the unchanged network for the clean ones. people: (n,)."""

    clean: NDArray[np.float16]
    camera: NDArray[np.float16]
    clean_row: NDArray[np.intp]
    targets: Float32
    people: NDArray[np.intp]

    def batch(self, rows: NDArray[np.intp]) -> tuple[Float32, Float32, Float32]:
        """Features of camera pictures, of their clean ones, and the vectors to be given."""
        clean = self.clean_row[rows]
        features = self.camera[rows].astype(np.float32), self.clean[clean].astype(np.float32)
        return *features, self.targets[clean]


def _taught(front: Run, tail: Run, pairs: CameraPairs) -> _Lesson:
    clean, camera = _run(front, pairs.clean, np.float16), _run(front, pairs.camera, np.float16)
    return _Lesson(clean, camera, pairs.clean_row, unit(_run(tail, clean)), pairs.people)


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


def _step(tail: Any, settings: Adaptation) -> tuple[Callable[..., float], Any]:
    """A function of a batch and the learning rate to the loss, and its optimiser."""
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

    return step, optimiser


def save_adapted(network: Any, path: Path) -> None:
    """Write the network beside and rename it; the file takes RGB pixels 0..255."""
    beside = path.with_name(f"part.{path.name}")
    network.save(beside)
    beside.replace(path)
