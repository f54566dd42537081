"""Networks on a CPU: our Keras models, converted once and run by LiteRT with XNNPACK.

Conversion needs TensorFlow and takes seconds; the result is kept beside the weights under a name
made of the weights' hash, so that later starts need no TensorFlow at all. Batches, and the height
and width of a fully convolutional network, are free in the kept file; a new shape costs an
allocation of milliseconds.

On the CPUs that were measured a row costs the same in every batch (MobileFaceNet 5.0 ms a face on
one thread alone or in eights, R-Net 0.05 ms alone or in 64s), so rows are never padded up to a
batch that is much larger. docs/benchmarks.md has the alternatives that were tried.
"""

from __future__ import annotations

import hashlib
import math
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml_engine.runtime.allocator import give_back
from ml_engine.runtime.network import Batch, ModelBuilder, run_in_parts
from ml_engine.runtime.pauses import is_shared

# Raise it if a network's code computes something else: kept conversions are then made again.
CONVERSION_VERSION = 4
# Interpreters kept ready at a time: a camera that changes its size must not grow memory for ever.
MAX_READY = 48
# The same for networks of any size of picture, whose buffers are large: pixels of all inputs.
MAX_FREE_PX = 2_400_000
# A call costs little beside its rows.
_CALL_ROWS = 0.3


def convert(
    build: ModelBuilder, shape: tuple[int | None, ...], *, byte_weights: bool = False
) -> bytes:
    """The model of `build` as a LiteRT file for inputs of `shape` (n, h, w, 3); None is free.

    byte_weights: keep weights as bytes, with a scale for each channel; what meets them is made
    bytes on the way, with a scale for each picture.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    model = build()
    spec = tf.TensorSpec(shape, tf.float32)
    function = tf.function(lambda batch: model(batch, training=False)).get_concrete_function(spec)
    # Frozen first: left as variables, the weights keep PReLU from being fused (and gave NaN).
    frozen = convert_variables_to_constants_v2(function)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen], trackable_obj=model)
    if byte_weights:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return converter.convert()


def _write_beside_and_rename(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    Path(name).replace(path)


@dataclass(frozen=True, slots=True)
class _Ready:
    """An interpreter with memory for inputs of one shape (n, h, w, 3), on some threads."""

    interpreter: Any
    threads: int
    shape: tuple[int, ...]
    input: int
    outputs: list[int]


class LiteRtFile:
    """A network in a LiteRT file. Thread-safe: each call has an interpreter for itself.

    Args:
        path: the file; its first dimension is free, or the only one of `batches`.
        batches: sizes that are made ready; others are put together of them.
        threads: of XNNPACK.
        lanes: how many calls run at a time. While others wait for the cores, each takes its part
            of the threads.
    """

    def __init__(
        self,
        path: Path,
        *,
        batches: tuple[int, ...] = (1, 2, 4, 8),
        threads: int = 0,
        lanes: int = 1,
    ) -> None:
        self._path = path
        self._batches = tuple(sorted(batches))
        self._threads = threads or os.cpu_count() or 1
        self._shared_threads = max(1, self._threads // lanes)
        # Nobody uses these at the moment; the one that was used last stands last.
        self._ready: list[_Ready] = []
        self._changing = threading.Lock()
        self._making = threading.Lock()  # two threads do not convert the same file

    def run(self, batch: Batch) -> tuple[NDArray[np.float32], ...]:
        """A batch of n inputs, n of at least 1, to one array for each output."""
        return run_in_parts(batch, self._batches, _CALL_ROWS, self._run_padded)

    def prepare(self, size: tuple[int, int, int]) -> None:
        """Allocate every batch of inputs of this size."""
        for batch in self._batches:
            for threads in {self._threads, self._shared_threads}:
                with self._borrowed((batch, *size), threads):
                    pass

    def path_for(self, shape: tuple[int, ...]) -> Path:
        """The file for inputs of this shape (n, h, w, 3); it may not be there yet."""
        return self._path

    def file(self, shape: tuple[int, ...]) -> Path:
        """The same, converted if it is not there yet."""
        return self.path_for(shape)

    def _run_padded(self, part: Batch, size: int) -> list[NDArray[np.float32]]:
        with self._borrowed((size, *part.shape[1:]), self._threads_now()) as ready:
            ready.interpreter.tensor(ready.input)()[: len(part)] = part
            ready.interpreter.invoke()
            # Copies, because the next call writes into the same memory.
            return [ready.interpreter.get_tensor(index) for index in ready.outputs]

    def _threads_now(self) -> int:
        """Threads of one network wait for each other, and burn their cores while they do."""
        return self._shared_threads if is_shared() else self._threads

    @contextmanager
    def _borrowed(self, shape: tuple[int, ...], threads: int) -> Iterator[_Ready]:
        ready = self._take(shape, threads)
        if ready is None:
            with self._making:
                ready = self._made(shape, threads)
        try:
            yield ready
        finally:
            self._put_back(ready)

    def _take(self, shape: tuple[int, ...], threads: int) -> _Ready | None:
        with self._changing:
            for index in reversed(range(len(self._ready))):
                ready = self._ready[index]
                if (ready.threads, ready.shape) == (threads, shape):
                    return self._ready.pop(index)
        return None

    def _put_back(self, ready: _Ready) -> None:
        left = []
        with self._changing:
            self._ready.append(ready)
            while self._has_too_many():
                left.append(self._ready.pop(0))
        if left:
            left.clear()
            give_back()

    def _made(self, shape: tuple[int, ...], threads: int) -> _Ready:
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(str(self.file(shape)), num_threads=threads)
        detail = interpreter.get_input_details()[0]
        if tuple(detail["shape"]) != shape:
            interpreter.resize_tensor_input(detail["index"], shape, strict=True)
        interpreter.allocate_tensors()
        outputs = [output["index"] for output in _outputs_in_order(interpreter)]
        return _Ready(interpreter, threads, shape, detail["index"], outputs)

    def _has_too_many(self) -> bool:
        return len(self._ready) > MAX_READY


class LiteRtNetwork(LiteRtFile):
    """A Keras network, converted at its first use.

    Args:
        build: makes the Keras model; called only if the conversion is missing.
        name: of the network, for the file.
        weights_sha256: identity of the weights, for the name of the conversion.
        cache_dir: folder of the conversions.
        batches: sizes that are made ready; others are put together of them.
        threads: of XNNPACK.
        is_free_size: for a fully convolutional network, which takes every height and width.
        byte_weights: see `convert`.
        lanes: see `LiteRtFile`. With more than one, the network is kept several times, each with
            its weights: for small networks.
    """

    def __init__(
        self,
        build: ModelBuilder,
        *,
        name: str,
        weights_sha256: str,
        cache_dir: Path,
        batches: tuple[int, ...] = (1, 2, 4, 8),
        threads: int = 0,
        is_free_size: bool = False,
        byte_weights: bool = False,
        lanes: int = 1,
    ) -> None:
        super().__init__(cache_dir, batches=batches, threads=threads, lanes=lanes)
        self._build = build
        self._name = name
        self._weights_sha256 = weights_sha256
        self._is_free_size = is_free_size
        self._byte_weights = byte_weights

    def path_for(self, shape: tuple[int, ...]) -> Path:
        free = self._free(shape)
        kind = "bytes" if self._byte_weights else "floats"
        key = f"{self._weights_sha256} {free} {kind}"
        digest = hashlib.sha256(key.encode()).hexdigest()[:16]
        return self._path / f"{self._name}-v{CONVERSION_VERSION}-{digest}.tflite"

    def file(self, shape: tuple[int, ...]) -> Path:
        path = self.path_for(shape)
        if not path.exists():
            content = convert(self._build, self._free(shape), byte_weights=self._byte_weights)
            _write_beside_and_rename(path, content)
        return path

    def _free(self, shape: tuple[int, ...]) -> tuple[int | None, ...]:
        """The shape with None for what the file leaves free."""
        return (None, None, None, shape[3]) if self._is_free_size else (None, *shape[1:])

    def _has_too_many(self) -> bool:
        if not self._is_free_size:
            return super()._has_too_many()
        pixels = sum(math.prod(ready.shape[:3]) for ready in self._ready)
        return len(self._ready) > 1 and pixels > MAX_FREE_PX


def _outputs_in_order(interpreter: Any) -> list[dict[str, Any]]:
    """Outputs in the order of the Keras model: the converter names them Identity, Identity_1, …"""

    def number(detail: dict[str, Any]) -> int:
        tail = detail["name"].rsplit(":", 1)[-1].rsplit("_", 1)[-1]
        return int(tail) if tail.isdigit() else 0

    return sorted(interpreter.get_output_details(), key=number)
