"""The choices that every network of our own is built from, and the layers made of them.

Each table is literal: a row is a choice, and the tests build a network with every row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Activation = Literal["relu", "prelu", "leaky_relu", "sigmoid", "tanh"]
Initialiser = Literal["he", "glorot", "normal", "zeros"]
Normalisation = Literal["fixed", "centred", "unit", "raw", "dataset", "whitened"]
Pooling = Literal["max", "average"]
Padding = Literal["same", "valid"]

# Network to the function that builds it.
NETWORKS = {
    "cnn": "ml_engine.networks.cnn:build",
    "inception": "ml_engine.networks.inception:build",
    "inception_naive": "ml_engine.networks.inception:build_naive",
    "inception_resnet_v1": "ml_engine.networks.inception_resnet_v1:build",
    "resnet": "ml_engine.networks.resnet:build",
}
ACTIVATIONS: tuple[Activation, ...] = ("relu", "prelu", "leaky_relu", "sigmoid", "tanh")
POOLINGS: tuple[Pooling, ...] = ("max", "average")
INITIALISERS: dict[Initialiser, Any] = {
    "he": "he_normal",
    "glorot": "glorot_uniform",
    # So narrow that a deep network learns only with batch normalisation.
    "normal": {"class_name": "RandomNormal", "config": {"stddev": 0.001}},
    # The counter-example: all filters of a layer stay the same, and no signal passes.
    "zeros": "zeros",
}
# Pixels 0..255 to pixel * scale + offset. "dataset" and "whitened" are worked out of pictures.
RESCALINGS: dict[Normalisation, tuple[float, float]] = {
    "fixed": (1 / 128, -127.5 / 128),
    "centred": (254 / 255, -127.0),  # -127 to 127
    "unit": (1 / 255, 0.0),
    "raw": (1.0, 0.0),
}
NORMALISATIONS: tuple[Normalisation, ...] = (*RESCALINGS, "dataset", "whitened")
_BATCH_NORM_MOMENTUM = 0.95


@dataclass(frozen=True, slots=True)
class Design:
    """What a network is built from.

    size: side of the input in pixels. channels: 1 for grey, 3 for RGB.
    dimension: of the vectors. width: factor for the number of filters of every layer.
    normalisation: of pixels; see RESCALINGS. "dataset" takes `mean` and `deviation`, of all pixels
        of the training pictures (`measured`); "whitened" those of each picture.
    l2: factor of the squared weights in the loss. dropout: share, before the last layer.
    kernel, stride, padding: of the first convolution.
    pooling: of the layers that halve the picture.
    """

    network: str = "cnn"
    size: int = 64
    channels: int = 1
    dimension: int = 128
    width: float = 1.0
    activation: Activation = "relu"
    initialiser: Initialiser = "he"
    normalisation: Normalisation = "fixed"
    mean: float = 127.5
    deviation: float = 64.0
    batch_norm: bool = True
    dropout: float = 0.4
    l2: float = 0.0
    kernel: int = 5
    stride: int = 2
    padding: Padding = "same"
    pooling: Pooling = "max"

    def build(self) -> Any:
        """The Keras model: pixels 0..255 (n, size, size, channels) to (n, dimension), with fresh
        weights, not yet of length 1.

        Raises:
            KeyError: there is no such network.
        """
        module, _, function = NETWORKS[self.network].partition(":")
        build: Callable[[Design], Any] = getattr(import_module(module), function)
        return build(self)

    def measured(self, pictures: NDArray[np.uint8]) -> Design:
        """With the mean and the deviation of these pictures."""
        return replace(self, mean=float(pictures.mean()), deviation=float(pictures.std()))

    def pixels(self) -> tuple[Any, Any]:
        """The input, and the normalised pixels."""
        import keras
        from keras import layers

        inputs = keras.Input((self.size, self.size, self.channels))
        if self.normalisation == "whitened":
            whiten = layers.LayerNormalization([1, 2, 3], 1e-3, center=False, scale=False)
            return inputs, whiten(inputs)
        scale, offset = RESCALINGS.get(
            self.normalisation, (1 / self.deviation, -self.mean / self.deviation)
        )
        return inputs, layers.Rescaling(scale, offset)(inputs)

    def stem(self, x: Any, filters: int) -> Any:
        """The first convolution."""
        return self.conv(x, filters, self.kernel, self.stride, padding=self.padding)

    def conv(
        self,
        x: Any,
        filters: int,
        kernel: int | tuple[int, int] = 1,
        stride: int = 1,
        *,
        padding: Padding = "same",
        is_active: bool = True,
    ) -> Any:
        """Convolution, batch normalisation, activation."""
        from keras import layers, regularizers

        x = layers.Conv2D(
            max(1, round(filters * self.width)),
            kernel,
            stride,
            padding=padding,
            use_bias=not self.batch_norm,
            kernel_initializer=INITIALISERS[self.initialiser],
            kernel_regularizer=regularizers.L2(self.l2) if self.l2 else None,
        )(x)
        if self.batch_norm:
            x = layers.BatchNormalization(momentum=_BATCH_NORM_MOMENTUM)(x)
        return self.active(x) if is_active else x

    def active(self, x: Any) -> Any:
        from keras import layers

        if self.activation == "prelu":
            return layers.PReLU(shared_axes=[1, 2])(x)
        return layers.Activation(self.activation)(x)

    def pool(self, x: Any, size: int = 2, stride: int = 2) -> Any:
        from keras import layers

        kinds = {"max": layers.MaxPooling2D, "average": layers.AveragePooling2D}
        return kinds[self.pooling](size, stride, padding="same")(x)

    def vector(self, x: Any) -> Any:
        """(n, values) to (n, dimension)."""
        from keras import layers, regularizers

        x = layers.Dropout(self.dropout)(x)
        x = layers.Dense(
            self.dimension,
            use_bias=not self.batch_norm,
            kernel_initializer=INITIALISERS[self.initialiser],
            kernel_regularizer=regularizers.L2(self.l2) if self.l2 else None,
            name="bottleneck",
        )(x)
        if not self.batch_norm:
            return x
        return layers.BatchNormalization(momentum=_BATCH_NORM_MOMENTUM, scale=False)(x)


def output_side(side: int, kernel: int, stride: int, padding: Padding) -> int:
    """(W - F + 2 P) / S + 1, rounded down: the side of what a convolution gives. "same" padding is
    as much as makes it W / S, rounded up."""
    return -(-side // stride) if padding == "same" else (side - kernel) // stride + 1


def for_serving(network: Any, design: Design) -> Any:
    """The network as a file of a model has to be: RGB pixels 0..255 (n, size, size, 3) in."""
    import keras
    from keras import layers

    if design.channels == 3:
        return network
    pixels = keras.Input((design.size, design.size, 3))
    grey = layers.Conv2D(1, 1, use_bias=False, trainable=False, name="grey")
    model = keras.Model(pixels, network(grey(pixels)), name=network.name)
    grey.set_weights([np.array([0.299, 0.587, 0.114]).reshape(1, 1, 3, 1)])
    return model
