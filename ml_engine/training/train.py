"""Training an embedding network. Read this page from the top to the bottom.

A network gives a vector for each face. It is trained to put the faces of one person close together
(`losses.py`) on pictures that are changed anew in every step (`augmentation.py`), and is judged on
people whom it was not trained on (`judging.py`): those of a product are never in its training.

Every random number depends on the seed of the settings and on the number of the epoch or step, so
the state of a run is its variables and one number. A run that was killed goes on from its last
checkpoint (`checkpoint.py`) and ends with the weights that it would have had.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from ml_engine.networks.design import for_serving
from ml_engine.recipe import Settings
from ml_engine.runtime.tensorflow import precision
from ml_engine.training import checkpoint
from ml_engine.training.augmentation import STRENGTHS, augmented
from ml_engine.training.batches import batches_in_epoch, batches_of_epoch
from ml_engine.training.checkpoint import Judged, Position
from ml_engine.training.data import Faces
from ml_engine.training.judging import compiled, judge
from ml_engine.training.losses import build_loss
from ml_engine.training.optimisers import OPTIMISERS, SCHEDULES, build_optimiser
from ml_engine.training.record import begin_record, record_of, write_curve
from ml_engine.types import EngineError

CHECKPOINT = "checkpoint.npz"
MODEL = "model.keras"
# Hears each point of the curve, and how many steps there are in all.
Told = Callable[[Judged, int], None]
# Asked after each step, with the position and how many steps there are in all.
Ends = Callable[[Position, int], bool]


@dataclass(frozen=True, slots=True)
class Trained:
    """network: the Keras model with the weights that are kept: pixels 0..255 (n, size, size,
    channels) in. file: the same for serving, RGB pixels 0..255 in; None without a folder. last: the
    values of its variables after the last step, which are kept only without early stopping."""

    network: Any
    position: Position
    file: Path | None
    last: checkpoint.Arrays


def train(
    settings: Settings,
    known: Faces,
    others: Faces,
    *,
    folder: Path | None = None,
    told: Told = lambda point, steps: None,
    ends: Ends = lambda position, steps: False,
) -> Trained:
    """Train a network, or go on with a run that was cut off.

    Args:
        known: people whom it is trained on.
        others: other people, by whom the best weights are chosen.
        folder: of the run, with its record, checkpoint, curve and model; None keeps nothing.
        ends: if it says yes, the run ends after this step, with the best weights so far.

    Raises:
        OtherRun: the folder holds another run.
    """
    if folder:
        begin_record(folder, record_of(settings, known, others))
    machine = build_machine(settings, people=len(known.names))
    position, best = _restored(machine, folder)
    in_epoch = batches_in_epoch(known.people, settings.people, settings.pictures)
    steps = settings.epochs * in_epoch

    while position.step < steps and not position.is_over:
        rows = _batch(settings, known, *divmod(position.step, in_epoch))
        random = np.random.default_rng((settings.seed, position.step))
        pixels = augmented(known.pictures[rows], STRENGTHS[settings.augmentation], random)
        rate = _rate(settings, position.step / steps)
        position.losses.append(machine.step(pixels, known.people[rows], rate))
        position.step += 1
        position.is_over = ends(position, steps)

        is_last = position.is_over or position.step == steps
        if is_last or position.step % (in_epoch * settings.judge_every) == 0:
            point = _look(machine, others, position, rate)
            told(point, steps)
            if point.auc > position.best_auc:
                position.best_auc, position.best_step = point.auc, position.step
                best = values_of(machine.network.variables)
            waited = (position.step - position.best_step) / in_epoch
            position.is_over |= bool(settings.patience) and waited >= settings.patience
            if folder:
                write_curve(folder, position.curve)

        is_last = is_last or position.is_over
        if folder and (is_last or position.step % settings.save_every == 0):
            groups = {name: values_of(group) for name, group in machine.variables.items()}
            checkpoint.save(folder / CHECKPOINT, position, {**groups, "best": best})

    last = values_of(machine.network.variables)
    kept = network_with(settings, best if settings.patience else last)
    file = _saved(kept, settings, folder) if folder else None
    return Trained(kept, position, file, last)


@dataclass(frozen=True, slots=True)
class Machine:
    """What changes in a step. step: pixels (n, size, size, channels) float32, the person of each
    and the learning rate, to the loss. forward: the network as a compiled function."""

    network: Any
    loss: Any
    optimiser: Any
    step: Callable[[NDArray[np.float32], NDArray[np.intp], float], float]
    forward: Callable[..., Any]

    @property
    def variables(self) -> dict[str, list[Any]]:
        parts = {"network": self.network, "loss": self.loss, "optimiser": self.optimiser}
        return {name: part.variables for name, part in parts.items()}


def build_machine(settings: Settings, *, people: int) -> Machine:
    """A network with fresh weights, its loss and its optimiser, on one device or on several.
    TensorFlow computes the same again from here on, in the whole process.

    Raises:
        EngineError: a batch cannot be divided equally between the devices.
    """
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(settings.seed)
    strategy = _strategy(settings)
    with strategy.scope(), precision(settings.precision):
        network = settings.design.build()
        loss = build_loss(settings.loss, people, margin=settings.margin, scale=settings.scale)
        loss.build((None, settings.design.dimension))
        optimiser = build_optimiser(
            settings.optimiser, settings.rate, is_half=settings.precision == "mixed_float16"
        )
        optimiser.build([*network.trainable_variables, *loss.trainable_variables])
    step = _step(strategy, network, loss, optimiser)
    return Machine(network, loss, optimiser, step, compiled(network))


def _strategy(settings: Settings) -> tf.distribute.Strategy:
    if settings.devices:
        rows, devices = settings.people * settings.pictures, len(settings.devices)
        if rows % devices:
            raise EngineError(f"A batch of {rows} cannot be divided between {devices} devices.")
        return tf.distribute.MirroredStrategy(list(settings.devices))
    return tf.distribute.get_strategy()


def _step(
    strategy: tf.distribute.Strategy, network: Any, loss: Any, optimiser: Any
) -> Callable[[NDArray[np.float32], NDArray[np.intp], float], float]:
    weights = [*network.trainable_variables, *loss.trainable_variables]
    replicas = strategy.num_replicas_in_sync

    def on_replica(pixels: Any, owners: Any) -> Any:
        with tf.GradientTape() as tape:
            value = loss(network(pixels, training=True), owners) + sum(network.losses)
            # The gradients of all replicas are added up.
            scaled = optimiser.scale_loss(value / replicas)
        optimiser.apply(tape.gradient(scaled, weights), weights)
        return value

    @tf.function(reduce_retracing=True)
    def on_all(pixels: Any, owners: Any) -> Any:
        return strategy.reduce("MEAN", strategy.run(on_replica, args=(pixels, owners)), axis=None)

    def step(pixels: NDArray[np.float32], owners: NDArray[np.intp], rate: float) -> float:
        # A person's pictures lie side by side, so each part has several of a person.
        parts = list(zip(np.split(pixels, replicas), np.split(owners, replicas), strict=True))

        def part(number: int) -> Any:
            return strategy.experimental_distribute_values_from_function(
                lambda context: tf.constant(parts[context.replica_id_in_sync_group][number])
            )

        optimiser.learning_rate = rate
        return float(on_all(part(0), part(1)))

    return step


def _batch(settings: Settings, known: Faces, epoch: int, place: int) -> NDArray[np.intp]:
    """Rows of the batch at a place of an epoch."""
    random = np.random.default_rng((settings.seed, epoch, 1))
    return batches_of_epoch(known.people, settings.people, settings.pictures, random)[place]


def _rate(settings: Settings, done: float) -> float:
    full = settings.rate or OPTIMISERS[settings.optimiser].rate
    return full * SCHEDULES[settings.schedule](done)


def _look(machine: Machine, others: Faces, position: Position, rate: float) -> Judged:
    """How good it is for other people; the next point of the curve."""
    found = judge(machine.forward, others)
    loss = float(np.mean(position.losses))
    point = Judged(position.step, loss, rate, found.auc, found.accuracy)
    position.curve.append(point)
    position.losses = []
    return point


def _restored(machine: Machine, folder: Path | None) -> tuple[Position, checkpoint.Arrays]:
    """Where the run stands, and the best weights so far."""
    groups = machine.variables
    stored = checkpoint.restore(folder / CHECKPOINT, [*groups, "best"]) if folder else None
    if stored is None:
        return Position(), values_of(machine.network.variables)
    position, arrays = stored
    for name, group in groups.items():
        assign(group, arrays[name])
    return position, arrays["best"]


def network_with(settings: Settings, values: checkpoint.Arrays) -> Any:
    """The network in full precision with these values."""
    with precision("float32"):
        network = settings.design.build()
    assign(network.variables, values)
    return network


def _saved(network: Any, settings: Settings, folder: Path) -> Path:
    beside = folder / f"part.{MODEL}"
    for_serving(network, settings.design).save(beside)
    return beside.replace(folder / MODEL)


def values_of(variables: Sequence[Any]) -> checkpoint.Arrays:
    return [variable.numpy() for variable in variables]


def assign(variables: Sequence[Any], values: checkpoint.Arrays) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
