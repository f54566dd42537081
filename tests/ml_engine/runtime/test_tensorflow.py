"""The path for GPUs, on a CPU: the same numbers, nearly the same in half precision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.conf import settings

from ml_engine.embedding.base import unit
from ml_engine.networks import mobilefacenet
from ml_engine.runtime.tensorflow import TensorFlowNetwork
from ml_engine.types import Float32
from ml_engine.zoo import fetch

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def weights() -> Path:
    return fetch("mobilefacenet", settings.WEIGHTS_DIR)["MobileFaceNet.tflite"]


@pytest.fixture(scope="module")
def crops() -> Any:
    rng = np.random.default_rng(0)
    smooth = rng.integers(0, 256, (5, 8, 8, 3)).repeat(14, axis=1).repeat(14, axis=2)
    return smooth.astype(np.uint8)


@pytest.fixture(scope="module")
def wanted(crops: Any, converted_mobilefacenet: tuple[Any, Path]) -> Float32:
    return converted_mobilefacenet[0].run(crops)[0]


@pytest.mark.parametrize("half", [False, True])
def test_tensorflow_network_agrees_with_litert(
    weights: Path, crops: Any, wanted: Float32, half: bool
) -> None:
    network = TensorFlowNetwork(
        lambda: mobilefacenet.build(weights),
        batches=(1, 4),
        devices=("/CPU:0", "/CPU:0"),
        jit=False,
        half=half,
    )
    network.prepare((112, 112, 3))
    found = network.run(crops)[0]
    assert found.dtype == np.float32
    if half:
        cosines = (unit(found) * unit(wanted)).sum(axis=1)
        assert cosines.min() > 0.999
    else:
        np.testing.assert_allclose(found, wanted, atol=1e-3)


def test_tensorflow_network_keeps_the_global_precision(weights: Path) -> None:
    import keras

    TensorFlowNetwork(
        lambda: mobilefacenet.build(weights), devices=("/CPU:0",), jit=False, half=True
    )
    assert keras.config.dtype_policy().name == "float32"
