"""What the user tells of a model's file, beside the file itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Literal

from ml_engine.align import Alignment
from ml_engine.zoo.own import Layout
from ml_engine.zoo.preprocessing import Preprocessing

JsonValue = str | int | float | bool | None | Sequence["JsonValue"] | Mapping[str, "JsonValue"]


@dataclass(frozen=True, slots=True)
class Wish:
    """Empty values are found in the file.

    input, output: tensors (`name:0`), or a layer of a Keras file. Any tensor can be the output, so
        a classifier can be cut before its last layer.
    size: side of the input in pixels.
    layout: of the input.
    network: one of our own, for a file of weights without a network; see `keras_graphs`.
    checkpoint: prefix of the checkpoint's files, beside a `.meta` or `.pbtxt`.
    values: of other placeholders, for example `{"keep_prob": 1.0}`. Those of type bool are False.
    preprocessing, alignment, margin: see `ml_engine.zoo.EmbedderCard`.
    """

    input: str = ""
    output: str = ""
    size: int = 0
    layout: Layout | Literal[""] = ""
    network: str = ""
    checkpoint: str = ""
    values: dict[str, float] = field(default_factory=dict)
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    alignment: Alignment = "arcface"
    margin: float = 0.0

    @classmethod
    def from_dict(cls, values: dict[str, object]) -> Wish:
        """TypeError or ValueError for what is no wish."""
        known = {each.name for each in fields(cls)}
        if unknown := set(values) - known:
            raise ValueError(f"{', '.join(sorted(unknown))} is not known.")
        told = dict(values)
        made_of = told.pop("preprocessing", {})
        if not isinstance(made_of, dict):
            raise TypeError("preprocessing is an object.")
        return cls(preprocessing=Preprocessing.from_dict(made_of), **told)  # type: ignore[arg-type]


def placeholder_values(told: Iterable[str]) -> dict[str, float]:
    """`NAME=VALUE` each. ValueError for anything else."""
    pairs = [each.partition("=") for each in told]
    try:
        return {name.strip(): float(value) for name, _, value in pairs}
    except ValueError as error:
        raise ValueError("Values of placeholders are written NAME=NUMBER.") from error
