"""What every runtime offers: a network that takes a batch and gives arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

# Builds a Keras model with its weights. Called only where a model has to be converted or run.
ModelBuilder = Callable[[], Any]
# (n, h, w, 3). Pixels may stay bytes: a runtime makes them float32 as it takes them in.
Batch = NDArray[np.float32] | NDArray[np.uint8]


class Network(Protocol):
    """One network ready to run. Not thread-safe: it has one owner."""

    def run(self, batch: Batch) -> tuple[NDArray[np.float32], ...]:
        """(n, h, w, 3) to one array for each output, each with n rows."""
