"""Every row of the tables of choices builds a network, and does what it says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ml_engine.networks import design
from ml_engine.networks.design import Design, output_side

pytestmark = pytest.mark.tensorflow

_TINY = Design(network="cnn", size=32, width=0.125, dimension=8)


def _vectors(chosen: Design) -> np.ndarray:
    import keras

    keras.utils.set_random_seed(0)
    pixels = np.random.default_rng(0).uniform(0, 255, (3, 32, 32, chosen.channels))
    return chosen.build()(pixels.astype(np.float32), training=False).numpy()


@pytest.mark.parametrize(
    "name", [name for name in design.NETWORKS if name != "inception_resnet_v1"]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_network_gives_vectors_that_differ(name: str, channels: int) -> None:
    found = _vectors(replace(_TINY, network=name, channels=channels))
    assert found.shape == (3, 8)
    assert np.abs(found[0] - found[1]).max() > 1e-4


@pytest.mark.parametrize("activation", design.ACTIVATIONS)
def test_activation_is_in_every_layer(activation: design.Activation) -> None:
    names = _layer_names(replace(_TINY, network="resnet", activation=activation))
    assert ("PReLU" if activation == "prelu" else activation) in names
    others = set(design.ACTIVATIONS) - {activation}
    assert not others & names


def _layer_names(chosen: Design) -> set[str]:
    network = chosen.build()
    names = {type(layer).__name__ for layer in network.layers}
    return names | {
        layer.activation.__name__
        for layer in network.layers
        if type(layer).__name__ == "Activation"
    }


@pytest.mark.parametrize(
    ("name", "deviation"), [("he", (2 / 25) ** 0.5), ("normal", 0.001), ("zeros", 0.0)]
)
def test_initialiser_draws_as_wide_as_it_says(name: design.Initialiser, deviation: float) -> None:
    network = replace(_TINY, width=1.0, initialiser=name).build()
    kernel = next(layer for layer in network.layers if layer.name.startswith("conv2d")).kernel
    assert float(np.std(kernel)) == pytest.approx(deviation, rel=0.15)


def test_glorot_draws_evenly_within_its_limit() -> None:
    network = replace(_TINY, width=1.0, initialiser="glorot").build()
    kernel = next(layer for layer in network.layers if layer.name.startswith("conv2d")).kernel
    limit = (6 / (25 * (1 + 32))) ** 0.5
    assert limit * 0.95 < float(np.abs(kernel).max()) <= limit


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("fixed", -127.5 / 128, 127.5 / 128),
        ("centred", -127, 127),
        ("unit", 0, 1),
        ("raw", 0, 255),
        ("dataset", -2, 3.1),
    ],
)
def test_normalisation_maps_black_and_white(
    name: design.Normalisation, low: float, high: float
) -> None:
    normal = _normalised(replace(_TINY, normalisation=name, mean=100.0, deviation=50.0))
    black, white = (
        float(normal(np.full((1, 32, 32, 1), v, np.float32))[0, 0, 0, 0]) for v in (0, 255)
    )
    assert (black, white) == pytest.approx((low, high), abs=1e-3)


def test_whitened_picture_has_no_mean_and_deviation_one() -> None:
    pixels = np.random.default_rng(0).uniform(20, 90, (2, 32, 32, 1)).astype(np.float32)
    found = np.asarray(_normalised(replace(_TINY, normalisation="whitened"))(pixels))
    np.testing.assert_allclose(found.mean(axis=(1, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(found.std(axis=(1, 2, 3)), 1, atol=1e-3)


def _normalised(chosen: Design) -> Any:
    import keras

    return keras.Model(*chosen.pixels())


@pytest.mark.parametrize("pooling", design.POOLINGS)
def test_pooling_is_the_one_of_the_table(pooling: design.Pooling) -> None:
    chosen = replace(_TINY, pooling=pooling)
    pool = _model(chosen, chosen.pool)
    found = pool(np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1))[0, 0, 0, 0]
    assert float(found) == {"max": 5, "average": 2.5}[pooling]


def _model(chosen: Design, layer: Any) -> Any:
    import keras

    inputs = keras.Input((4, 4, 1))
    return keras.Model(inputs, layer(inputs))


@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_first_convolution_gives_the_side_of_the_formula(
    kernel: int, stride: int, padding: design.Padding
) -> None:
    chosen = replace(_TINY, kernel=kernel, stride=stride, padding=padding)
    _, pixels = chosen.pixels()
    assert chosen.stem(pixels, 8).shape[1] == output_side(32, kernel, stride, padding)


@pytest.mark.parametrize("batch_norm", [True, False])
def test_batch_norm_takes_the_place_of_biases(batch_norm: bool) -> None:
    network = replace(_TINY, batch_norm=batch_norm).build()
    kinds = {type(layer).__name__ for layer in network.layers}
    assert ("BatchNormalization" in kinds) == batch_norm
    assert all(
        layer.use_bias != batch_norm for layer in network.layers if hasattr(layer, "use_bias")
    )


def test_squared_weights_are_in_the_loss() -> None:
    assert replace(_TINY, l2=0.0).build().losses == []
    assert float(sum(replace(_TINY, l2=1e-3).build().losses)) > 0


def test_dropout_is_on_only_in_training() -> None:
    network = replace(_TINY, dropout=0.5, batch_norm=False).build()
    pixels = np.full((1, 32, 32, 1), 100, np.float32)
    one, two = (network(pixels, training=True).numpy() for _ in range(2))
    assert not np.allclose(one, two)
    one, two = (network(pixels, training=False).numpy() for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_inception_has_the_size_that_trains_on_a_cpu() -> None:
    assert 1.0e6 < Design(network="inception").build().count_params() < 1.3e6


def test_reduction_makes_a_block_cheaper() -> None:
    naive, reduced = (
        replace(_TINY, network=name).build().count_params()
        for name in ("inception_naive", "inception")
    )
    assert reduced < naive / 2


def test_network_for_serving_takes_rgb_pixels() -> None:
    network = _TINY.build()
    served = design.for_serving(network, _TINY)
    grey = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 1)).astype(np.float32)
    expected = network(grey, training=False)
    np.testing.assert_allclose(
        served(np.repeat(grey, 3, axis=3), training=False), expected, rtol=0, atol=1e-4
    )
