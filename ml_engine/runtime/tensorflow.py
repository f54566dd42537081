"""Networks on GPUs: tf.function with XLA and mixed precision, at fixed batch sizes.

On a CPU it is far slower than LiteRT, so it serves GPUs only. On a GPU the same graphs were
measured through JAX; TensorFlow's own calls were not (docs/benchmarks.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle
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
    """A network compiled once for each batch size, on each of several devices in turn.

    Args:
        build: makes the Keras model.
        batches: sizes that are compiled; others are put together of them.
        devices: TensorFlow's names. Parts of a large batch run on them at the same time.
        jit: let XLA compile.
        half: compute in float16, with weights and results in float32.
    """

    def __init__(
        self,
        build: ModelBuilder,
        *,
        batches: tuple[int, ...] = (1, 8, 32),
        devices: tuple[str, ...] = ("/GPU:0",),
        jit: bool = True,
        half: bool = True,
    ) -> None:
        self._batches = tuple(sorted(batches))
        self._replicas = cycle([_replica(build, name, jit=jit, half=half) for name in devices])
        self._devices = len(devices)

    def run(self, batch: Batch) -> tuple[NDArray[np.float32], ...]:
        """(n, h, w, 3), n of at least 1, to one array for each output."""
        return run_in_parts(batch, self._batches, _CALL_ROWS, self._run_padded)

    def prepare(self, size: tuple[int, int, int]) -> None:
        """Compile every batch of pixels (h, w, 3) on every device."""
        for rows in self._batches:
            for _ in range(self._devices):
                self._run_padded(np.zeros((rows, *size), np.uint8), rows)

    def _run_padded(self, part: Batch, size: int) -> list[Any]:
        """Tensors that may not be worked out yet: the next part is launched meanwhile."""
        if size > len(part):
            part = np.concatenate([part, np.zeros((size - len(part), *part.shape[1:]), part.dtype)])
        return next(self._replicas)(part)


def _replica(
    build: ModelBuilder, device: str, *, jit: bool, half: bool
) -> Callable[[Batch], list[Any]]:
    import tensorflow as tf

    with tf.device(device), precision("mixed_float16" if half else "float32"):
        model = build()

    @tf.function(jit_compile=jit, reduce_retracing=False)
    def call(batch: Any) -> list[Any]:
        # Bytes travel to the device, floats do not.
        outputs = tf.nest.flatten(model(tf.cast(batch, tf.float32), training=False))
        return [tf.cast(output, tf.float32) for output in outputs]

    def on_device(batch: Batch) -> list[Any]:
        with tf.device(device):
            return call(tf.constant(batch))

    return on_device


@contextmanager
def precision(policy: str) -> Iterator[None]:
    """Layers built meanwhile follow this policy; it is the process's, so it is put back."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
