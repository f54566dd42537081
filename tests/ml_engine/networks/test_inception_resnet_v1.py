"""FaceNet's network: as many weights as published, and its files load by the names of variables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_engine.networks import inception_resnet_v1 as facenet
from ml_engine.networks.design import Design
from ml_engine.types import ModelUnusable

pytestmark = pytest.mark.tensorflow

_SMALL = Design(network="inception_resnet_v1", size=96, channels=3, dimension=16, width=0.04)


@pytest.fixture(scope="module")
def network() -> Any:
    return _SMALL.build()


def _variables(network: Any) -> Iterator[tuple[str, str, np.ndarray]]:
    """Layer, variable, and the values that a file has for it."""
    random = np.random.default_rng(0)
    for layer in network.layers:
        for variable in layer.weights:
            values = random.uniform(0.1, 1, variable.shape).astype(np.float32)
            yield layer.name, variable.name, values


def _is_loaded(network: Any) -> bool:
    found = {(la.name, v.name): v.numpy() for la in network.layers for v in la.weights}
    return all(np.array_equal(found[la, v], values) for la, v, values in _variables(network))


def _write_checkpoint(network: Any, prefix: Path, *, without: str = "") -> None:
    import tensorflow as tf

    named = {facenet.checkpoint_name(la, v): values for la, v, values in _variables(network)}
    named.pop(without, None)
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=list(named),
        shape_and_slices=[""] * len(named),
        tensors=list(named.values()),
    )


def test_network_has_as_many_weights_as_facenet_published() -> None:
    network = Design(
        network="inception_resnet_v1", size=160, channels=3, dimension=128, dropout=0.2
    ).build()
    # The summary of the Keras conversion of the model of 128 dimensions.
    assert network.count_params() == 22_808_144
    assert network.output_shape == (None, 128)


@pytest.mark.parametrize(
    ("layer", "variable", "name"),
    [
        ("Conv2d_1a_3x3", "kernel", "InceptionResnetV1/Conv2d_1a_3x3/weights"),
        (
            "Conv2d_1a_3x3_BatchNorm",
            "moving_mean",
            "InceptionResnetV1/Conv2d_1a_3x3/BatchNorm/moving_mean",
        ),
        (
            "Block35_1_Branch_2_Conv2d_0c_3x3",
            "kernel",
            "InceptionResnetV1/Repeat/block35_1/Branch_2/Conv2d_0c_3x3/weights",
        ),
        (
            "Block17_10_Conv2d_1x1",
            "bias",
            "InceptionResnetV1/Repeat_1/block17_10/Conv2d_1x1/biases",
        ),
        (
            "Block8_5_Branch_1_Conv2d_0b_1x3_BatchNorm",
            "beta",
            "InceptionResnetV1/Repeat_2/block8_5/Branch_1/Conv2d_0b_1x3/BatchNorm/beta",
        ),
        ("Block8_6_Conv2d_1x1", "kernel", "InceptionResnetV1/Block8/Conv2d_1x1/weights"),
        (
            "Mixed_6a_Branch_1_Conv2d_0b_3x3",
            "kernel",
            "InceptionResnetV1/Mixed_6a/Branch_1/Conv2d_0b_3x3/weights",
        ),
        ("Bottleneck", "kernel", "Bottleneck/weights"),
        ("Bottleneck_BatchNorm", "beta", "Bottleneck/BatchNorm/beta"),
    ],
)
def test_checkpoint_name_is_the_one_of_facenet(layer: str, variable: str, name: str) -> None:
    assert facenet.checkpoint_name(layer, variable) == name


def test_checkpoint_loads_by_the_names_of_variables(network: Any, tmp_path: Path) -> None:
    _write_checkpoint(network, tmp_path / "model.ckpt-275")
    facenet.load_checkpoint(network, tmp_path / "model.ckpt-275")
    assert _is_loaded(network)


def test_checkpoint_without_a_variable_is_refused(network: Any, tmp_path: Path) -> None:
    _write_checkpoint(network, tmp_path / "model", without="Bottleneck/weights")
    with pytest.raises(ModelUnusable, match="Bottleneck/kernel"):
        facenet.load_checkpoint(network, tmp_path / "model")


def test_h5_file_of_weights_loads_by_the_names_of_layers(network: Any, tmp_path: Path) -> None:
    import h5py

    for variable in network.variables:
        variable.assign(np.zeros(variable.shape, variable.dtype))
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        for layer, variable, values in _variables(network):
            file[f"{layer}/{layer}/{variable}:0"] = values
    facenet.load_h5(network, tmp_path / "weights.h5")
    assert _is_loaded(network)


def test_h5_file_of_another_network_is_refused(network: Any, tmp_path: Path) -> None:
    import h5py

    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file["Conv2d_1a_3x3/Conv2d_1a_3x3/kernel:0"] = np.zeros((5, 5, 3, 1), np.float32)
    with pytest.raises(ModelUnusable, match="Conv2d_1a_3x3/kernel"):
        facenet.load_h5(network, tmp_path / "weights.h5")
