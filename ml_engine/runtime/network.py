"""The contract of every runtime: a network takes a batch and gives arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ml_engine.runtime.pauses import pause

# Builds a Keras model with its weights. Called only if a model has to be converted or run.
ModelBuilder = Callable[[], Any]
# (n, h, w, 3). Pixels may stay bytes: a runtime makes them float32 as it takes them in.
Batch = NDArray[np.float32] | NDArray[np.uint8]


class Network(Protocol):
    """One network ready to run. Only LiteRT's are thread-safe; others have one owner."""

    def run(self, batch: Batch) -> tuple[NDArray[np.float32], ...]:
        """(n, h, w, 3), n of at least 1, to one array for each output, each with n rows."""

    def prepare(self, size: tuple[int, int, int]) -> None:
        """Make every batch of inputs (h, w, 3) ready, so that no later call has to."""


def run_in_parts(
    batch: Batch,
    sizes: tuple[int, ...],
    call_rows: float,
    run_padded: Callable[[Batch, int], Sequence[Any]],
) -> tuple[NDArray[np.float32], ...]:
    """Run a batch of any size on a network that is ready for some.

    Args:
        sizes: that it is ready for, rising.
        call_rows: what one call costs beside its rows, in rows.
        run_padded: given some rows and the size to pad them to; gives outputs of that many rows,
            arrays or what can be made arrays later, once all parts were given to it.

    Raises:
        DeadlineExceeded: between two parts; see `runtime.pauses`.
    """
    launched = []
    start = 0
    for size in parts_of(len(batch), sizes, call_rows):
        pause()
        part = batch[start : start + size]
        launched.append((len(part), run_padded(part, size)))
        start += size
    outputs = [[np.asarray(output)[:rows] for output in found] for rows, found in launched]
    if len(outputs) == 1:
        return tuple(outputs[0])
    return tuple(np.concatenate(rows) for rows in zip(*outputs, strict=True))


@cache
def parts_of(rows: int, sizes: tuple[int, ...], call_rows: float) -> tuple[int, ...]:
    """The sizes, largest first, that serve `rows` at the least cost: padding or one more call."""
    largest = sizes[-1]
    if whole := (rows - 1) // largest:
        return (*[largest] * whole, *parts_of(rows - whole * largest, sizes, call_rows))
    padded = next(size for size in sizes if size >= rows)
    if padded == rows or rows < sizes[0]:
        return (padded,)
    below = next(size for size in reversed(sizes) if size < rows)
    split = (below, *parts_of(rows - below, sizes, call_rows))
    is_cheaper = sum(split) + call_rows * (len(split) - 1) < padded
    return split if is_cheaper else (padded,)
