"""Optimisers, each with a learning rate at which it trains, and schedules of that rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import keras

from ml_engine import recipe


@dataclass(frozen=True, slots=True)
class _Row:
    """kind: the class in `keras.optimizers`. rate: at which the small networks here train; the
    defaults of Keras for the last three do not (docs/training.md)."""

    kind: str
    rate: float
    options: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


OPTIMISERS: dict[recipe.Optimiser, _Row] = {
    "adam": _Row("Adam", 1e-3),
    "rmsprop": _Row("RMSprop", 1e-3),
    "momentum": _Row("SGD", 0.05, MappingProxyType({"momentum": 0.9})),
    "gradient_descent": _Row("SGD", 0.1),
    "adagrad": _Row("Adagrad", 0.05),
    "adadelta": _Row("Adadelta", 1.0),
}
# The done share of a run, 0 to 1, to the factor of the learning rate.
SCHEDULES: dict[recipe.Schedule, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "cosine": lambda done: 0.02 + 0.98 * (1 + math.cos(math.pi * done)) / 2,
    "steps": lambda done: 0.1 ** sum(done >= at for at in (0.5, 0.75, 0.9)),
    "linear": lambda done: 1 - 0.98 * done,
}


def build_optimiser(
    name: recipe.Optimiser, rate: float | None, *, is_half: bool
) -> keras.Optimizer:
    """Args:

    rate: None is the rate of the table.
    is_half: gradients are float16, and are scaled up so that small ones are not lost.
    """
    row = OPTIMISERS[name]
    found = getattr(keras.optimizers, row.kind)(rate or row.rate, **row.options)
    return keras.optimizers.LossScaleOptimizer(found) if is_half else found
