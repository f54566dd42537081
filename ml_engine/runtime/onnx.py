"""Networks in ONNX files, run by onnxruntime on a CPU. The package is an extra: see
requirements/onnx.txt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml_engine.runtime.network import Batch, run_in_parts
from ml_engine.types import ModelUnusable

_CALL_ROWS = 0.3


class OnnxNetwork:
    """See `Network`. Args: see `LiteRtFile`.

    Raises:
        ModelUnusable: onnxruntime is not installed, or does not run the file; also from `run`.
    """

    def __init__(
        self, path: Path, *, batches: tuple[int, ...] = (1, 2, 4, 8), threads: int = 0
    ) -> None:
        self._session = _session(path, threads)
        self._input = self._session.get_inputs()[0].name
        self._batches = tuple(sorted(batches))

    def run(self, batch: Batch) -> tuple[NDArray[np.float32], ...]:
        return run_in_parts(batch, self._batches, _CALL_ROWS, self._run_padded)

    def prepare(self, size: tuple[int, int, int]) -> None:
        self._run_padded(np.zeros((self._batches[0], *size), np.float32), self._batches[0])

    def _run_padded(self, part: Batch, size: int) -> list[NDArray[np.float32]]:
        padded = np.zeros((size, *part.shape[1:]), np.float32)
        padded[: len(part)] = part
        try:
            return list(self._session.run(None, {self._input: padded}))
        except Exception as error:  # its errors share no base
            raise ModelUnusable("onnxruntime does not run this network.", detail=error) from error


def _session(path: Path, threads: int) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise ModelUnusable(
            "ONNX files need onnxruntime. Install it, and restart Facerec: .venv/bin/python -m pip "
            "install -r requirements/lock-onnx.txt"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors share no base
        raise ModelUnusable("onnxruntime does not run this file.", detail=error) from error
