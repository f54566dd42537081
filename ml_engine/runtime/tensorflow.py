"""Networks on a GPU: tf.function with XLA and mixed precision, at fixed batch sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml_engine.runtime.network import Batch, ModelBuilder, run_in_parts

# Launching a call costs about as much as some rows of a small network.
_CALL_ROWS = 16.0


def gpu_names() -> list[str]:
    """GPUs that TensorFlow sees, with memory growth switched on: it takes what it needs."""
    import tensorflow as tf

    devices = tf.config.list_physical_devices("GPU")
    for device in devices:
        tf.config.experimental.set_memory_growth(device, enable=True)
    details = [tf.config.experimental.get_device_details(device) for device in devices]
    return [detail.get("device_name", "gpu") for detail in details]


class TensorFlowNetwork:
    """A network compiled once for each batch size.

    Args:
        build: makes the Keras model.
        batches: sizes that are compiled; others are put together of them.
        jit: let XLA compile. On a CPU it made the networks here ten times slower.
    """

    def __init__(
        self, build: ModelBuilder, *, batches: tuple[int, ...] = (1, 8, 32), jit: bool = True
    ) -> None:
        import tensorflow as tf

        self._model = build()
        self._batches = tuple(sorted(batches))
        self._call = tf.function(
            lambda batch: tf.nest.flatten(self._model(batch, training=False)), jit_compile=jit
        )

    def run(self, batch: Batch) -> tuple[NDArray[np.float32], ...]:
        """(n, h, w, 3), n of at least 1, to one array for each output."""
        return run_in_parts(batch, self._batches, _CALL_ROWS, self._run_padded)

    def _run_padded(self, part: Batch, size: int) -> list[Any]:
        import tensorflow as tf

        if size > len(part):
            part = np.concatenate([part, np.zeros((size - len(part), *part.shape[1:]), part.dtype)])
        return [output.numpy() for output in self._call(tf.constant(part, tf.float32))]
