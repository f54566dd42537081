"""The options of a run: a literal table, from which the form and the request are made.

Defaults are those of `ml_engine.recipe`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, get_args

from ml_engine import recipe
from ml_engine.networks import design
from recognition.training.models import TrainingRun
from recognition.web.errors import ServiceError

Value = str | int | float | bool
TRAIN, ADAPT = TrainingRun.Task.TRAIN, TrainingRun.Task.ADAPT
_BOTH = (TRAIN, ADAPT)
# The preset that can be adapted: of dlib's network the last blocks are most of it.
ADAPTED_PRESET = "mobilefacenet"
ADAPTED_SIZE = 112
_OTHERS = 6
# Of a batch: each takes memory for every filter of a layer.
MOST_BATCH_PIXELS = 2**23


@dataclass(frozen=True, slots=True)
class Option:
    """kind: int, float, bool, or str with `choices`. low, high: of numbers. is_main: not hidden
    under "More". tasks: that have it. label: of its field, if the name says too little."""

    name: str
    kind: type
    help: str = ""
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    is_main: bool = False
    tasks: tuple[str, ...] = (TRAIN,)
    label: str = ""


def _choice(name: str, choices: Iterable[str], help: str = "", *, is_main: bool = False) -> Option:
    return Option(name, str, help, tuple(choices), is_main=is_main)


OPTIONS: tuple[Option, ...] = (
    _choice("network", design.NETWORKS, is_main=True),
    Option("epochs", int, "At most; in one, all pictures are shown once.", (), 1, 1000,
           is_main=True, tasks=_BOTH),
    Option("others", int, "People set apart, by whom the best weights are chosen. An adaptation "
           "sets twice as many apart: half of them are tested.", (), 2, 500, is_main=True,
           tasks=_BOTH, label="People set apart"),
    Option("size", int, "Side of the input in pixels.", (), 16, 160),
    Option("is_grey", bool, "One channel, not three.", label="Grey"),
    Option("dimension", int, "Of the vectors.", (), 8, 1024),
    Option("width", float, "Factor for the number of filters.", (), 0.05, 4),
    _choice("activation", design.ACTIVATIONS),
    _choice("initialiser", design.INITIALISERS),
    _choice("normalisation", design.NORMALISATIONS, "Of the pixels."),
    _choice("pooling", design.POOLINGS),
    Option("batch_norm", bool, "Batch normalisation."),
    Option("dropout", float, "Share.", (), 0, 0.95),
    Option("l2", float, "Factor of the squared weights.", (), 0, 1),
    Option("kernel", int, "Of the first convolution, in pixels.", (), 1, 15),
    Option("stride", int, "Of the first convolution, in pixels.", (), 1, 4),
    _choice("padding", get_args(design.Padding), "Of the first convolution."),
    _choice("loss", get_args(recipe.Loss)),
    Option("margin", float, "Of arcface and triplet.", (), 0, 2),
    Option("scale", float, "Of arcface.", (), 0.1, 128),
    _choice("augmentation", get_args(recipe.Augmentation)),
    _choice("optimiser", get_args(recipe.Optimiser)),
    _choice("schedule", get_args(recipe.Schedule), "Of the learning rate."),
    Option("rate", float, "Learning rate. Empty: the optimiser's own.", (), 1e-7, 10, tasks=_BOTH),
    Option("people", int, "", (), 2, 256, label="People in a batch"),
    Option("pictures", int, "", (), 1, 64, label="Pictures of each in a batch"),
    Option("patience", int, "Epochs without a better figure, after which it ends. 0: never, and "
           "the last weights are kept.", (), 0, 1000),
    Option("judge_every", int, "Epochs between two points of the curve.", (), 1, 100),
    Option("save_every", int, "Steps between two checkpoints.", (), 1, 10_000),
    _choice("precision", get_args(recipe.Precision)),
    Option("batch", int, "", (), 1, 512, tasks=(ADAPT,), label="Pairs of pictures in a batch"),
    Option("keep", float, "Weight of the clean pictures in the loss.", (), 0, 100, tasks=(ADAPT,)),
    Option("blend", float, "Share of the change that is kept.", (), 0, 1, tasks=(ADAPT,)),
    Option("seed", int, "Of all random numbers.", (), 0, 2**31 - 1, tasks=_BOTH),
)  # fmt: skip


def options_of(task: str) -> dict[str, Option]:
    return {option.name: option for option in OPTIONS if task in option.tasks}


def defaults_of(task: str) -> dict[str, Value | None]:
    """The value of each option of a task if it is left out."""
    classes = (recipe.Settings, design.Design) if task == TRAIN else (recipe.Adaptation,)
    found = {f.name: f.default for cls in classes for f in fields(cls) if f.default is not MISSING}
    found |= {"others": _OTHERS, "is_grey": found.get("channels") == 1}
    return {name: found[name] for name in options_of(task)}


def complete(task: str, given: Mapping[str, Value | None]) -> dict[str, Value | None]:
    """Every option of the task: as given, or its default.

    ServiceError 400 `bad_setting` for an option that the task does not have, or a batch that needs
    too much memory.
    """
    values = defaults_of(task)
    if unknown := set(given) - set(values):
        message = f"The task {task} has no option {', '.join(sorted(unknown))}."
        raise ServiceError("bad_setting", message, fields=sorted(unknown))
    values |= {name: value for name, value in given.items() if value is not None}
    if task == TRAIN:
        _refuse_large_batch(values)
    return values


def _refuse_large_batch(values: Mapping[str, Any]) -> None:
    faces = values["people"] * values["pictures"]
    most = MOST_BATCH_PIXELS // values["size"] ** 2
    if faces > most:
        message = f"A batch may have {most} pictures of this size; people x pictures are {faces}."
        raise ServiceError("bad_setting", message, fields=["people", "pictures", "size"])


def size_of(run: TrainingRun) -> int:
    """Side of the aligned faces in pixels."""
    return int(run.settings["size"]) if run.task == TRAIN else ADAPTED_SIZE


def recipe_of(run: TrainingRun) -> dict[str, object]:
    """The settings as `ml_engine.training.child` takes them."""
    values = {name: value for name, value in run.settings.items() if name != "others"}
    if run.task == ADAPT:
        return values
    values["channels"] = 1 if values.pop("is_grey") else 3
    of_design = {f.name for f in fields(design.Design)} & set(values)
    made: dict[str, object] = {name: values.pop(name) for name in of_design}
    return {**values, "design": made}
