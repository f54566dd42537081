"""Bounds on files of models, checked before memory is taken for what they claim to hold."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from ml_engine.types import ModelRefused

MAX_FILE_BYTES = 1 << 30
MAX_FILES = 1000
# Of one constant, variable or tensor between two operations.
MAX_TENSOR_BYTES = 1 << 29
# Nodes of a graph, after functions were inlined.
MAX_NODES = 200_000
# Units, filters or sides that a layer may ask for.
MAX_LAYER_NUMBER = 1_000_000


def check_tensor(what: str, shape: Iterable[int], item_bytes: int) -> None:
    """Refuse a tensor that is too large; `what` names it. Unknown dimensions (-1, 0) are free."""
    size = prod(max(1, int(side)) for side in shape) * max(1, item_bytes)
    if size > MAX_TENSOR_BYTES:
        raise ModelRefused(
            f"{what} asks for {size / 1e9:.1f} GB; at most {MAX_TENSOR_BYTES >> 20} MB are allowed."
        )


def check_file_size(name: str, size: int) -> None:
    if size > MAX_FILE_BYTES:
        raise ModelRefused(
            f"{name} is too large: {size / 1e9:.1f} GB; at most {MAX_FILE_BYTES >> 20} MB are read."
        )
