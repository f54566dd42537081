"""Inception-ResNet-v1, the network of FaceNet's published models, and their weights.

Architecture: Szegedy, Ioffe, Vanhoucke, Alemi, "Inception-v4, Inception-ResNet and the Impact of
Residual Connections on Learning", 2016 (arXiv:1602.07261), with the filters of davidsandberg's
FaceNet (MIT). 160x160 RGB to 128 or 512.

**Names.** Layers are named as in the Keras conversions of FaceNet: `Conv2d_1a_3x3`,
`Block35_1_Branch_0_Conv2d_1x1`, `Mixed_6a_Branch_1_Conv2d_0b_3x3`, `Block8_6_Conv2d_1x1` (the
convolution that ends a block has a bias, no batch normalisation), `Bottleneck`; each with its
`<name>_BatchNorm`. In FaceNet's checkpoints the same layers are
`InceptionResnetV1/Conv2d_1a_3x3/weights` and `…/BatchNorm/beta`, `moving_mean`, `moving_variance`;
`InceptionResnetV1/Repeat/block35_1/Branch_0/Conv2d_1x1/…` (`Repeat_1/block17_1`,
`Repeat_2/block8_1`, and the sixth block of eight is `Block8`), with `weights` and `biases` for the
end of a block; `Bottleneck/weights` stands outside of `InceptionResnetV1`. Batch normalisation has
no gamma.

FaceNet's Keras *file* has a Lambda layer in every block, which may be any code, and is refused. Its
file of weights has numbers only: `load_h5` takes it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ml_engine.networks.design import Design
from ml_engine.types import Float32, ModelUnusable

SIZE = 160
_MOMENTUM, _EPSILON = 0.995, 1e-3
# The factor of the residual branch, and how many blocks there are.
_SCALES = {"Block35": (0.17, 5), "Block17": (0.10, 10), "Block8": (0.20, 5)}
# What a variable of a layer is called in a checkpoint. Layer kinds have only some of them.
_VARIABLES = {
    "kernel": "weights",
    "bias": "biases",
    "beta": "BatchNorm/beta",
    "moving_mean": "BatchNorm/moving_mean",
    "moving_variance": "BatchNorm/moving_variance",
}
_REPEATS = {"Block35": "Repeat/block35", "Block17": "Repeat_1/block17", "Block8": "Repeat_2/block8"}
# Gives the array of a variable by the names of its layer and of itself; KeyError if there is none.
_ValuesOf = Callable[[str, str], Float32]


def build(design: Design) -> Any:
    """Pixels (n, size, size, channels) to (n, dimension). Of the design, the network takes size,
    channels, dimension, width, normalisation, dropout, l2 and activation; the others are FaceNet's.
    """
    import keras
    from keras import layers

    inputs, x = design.pixels()
    make = _Layers(design)
    x = make.conv(x, "Conv2d_1a_3x3", 32, 3, 2, "valid")  # (n, 79, 79, 32)
    x = make.conv(x, "Conv2d_2a_3x3", 32, 3, padding="valid")
    x = make.conv(x, "Conv2d_2b_3x3", 64, 3)
    x = layers.MaxPooling2D(3, 2)(x)  # (n, 38, 38, 64)
    x = make.conv(x, "Conv2d_3b_1x1", 80)
    x = make.conv(x, "Conv2d_4a_3x3", 192, 3, padding="valid")
    x = make.conv(x, "Conv2d_4b_3x3", 256, 3, 2, "valid")  # (n, 17, 17, 256)
    x = _repeated(make, x, "Block35", _block35)
    x = _mixed_6a(make, x)  # (n, 8, 8, 896)
    x = _repeated(make, x, "Block17", _block17)
    x = _mixed_7a(make, x)  # (n, 3, 3, 1792)
    x = _repeated(make, x, "Block8", _block8)
    x = make.residual(x, "Block8_6", _block8(make, x, "Block8_6"), 1.0, is_active=False)
    x = layers.Dropout(design.dropout)(layers.GlobalAveragePooling2D()(x))
    x = layers.Dense(design.dimension, use_bias=False, name="Bottleneck")(x)
    return keras.Model(inputs, make.normed(x, "Bottleneck"), name="inception_resnet_v1")


@dataclass(frozen=True, slots=True)
class _Layers:
    design: Design

    def conv(
        self, x: Any, name: str, filters: int, kernel: Any = 1, stride: int = 1,
        padding: str = "same",
    ) -> Any:  # fmt: skip
        from keras import layers, regularizers

        x = layers.Conv2D(
            max(1, round(filters * self.design.width)), kernel, stride, padding=padding,
            use_bias=False, name=name,
            kernel_regularizer=regularizers.L2(self.design.l2) if self.design.l2 else None,
        )(x)  # fmt: skip
        return self.design.active(self.normed(x, name))

    def normed(self, x: Any, name: str) -> Any:
        from keras import layers

        return layers.BatchNormalization(
            momentum=_MOMENTUM, epsilon=_EPSILON, scale=False, name=f"{name}_BatchNorm"
        )(x)

    def residual(
        self, x: Any, name: str, branches: list[Any], scale: float, *, is_active: bool = True
    ) -> Any:
        from keras import layers

        up = layers.Conv2D(x.shape[-1], 1, name=f"{name}_Conv2d_1x1")(
            layers.Concatenate()(branches)
        )
        x = layers.Add()([x, layers.Rescaling(scale)(up)])
        return self.design.active(x) if is_active else x


def _repeated(
    make: _Layers, x: Any, kind: str, branches: Callable[[_Layers, Any, str], list[Any]]
) -> Any:
    scale, count = _SCALES[kind]
    for number in range(1, count + 1):
        name = f"{kind}_{number}"
        x = make.residual(x, name, branches(make, x, name), scale)
    return x


def _block35(make: _Layers, x: Any, name: str) -> list[Any]:
    one = make.conv(x, f"{name}_Branch_0_Conv2d_1x1", 32)
    two = make.conv(x, f"{name}_Branch_1_Conv2d_0a_1x1", 32)
    two = make.conv(two, f"{name}_Branch_1_Conv2d_0b_3x3", 32, 3)
    three = make.conv(x, f"{name}_Branch_2_Conv2d_0a_1x1", 32)
    three = make.conv(three, f"{name}_Branch_2_Conv2d_0b_3x3", 32, 3)
    three = make.conv(three, f"{name}_Branch_2_Conv2d_0c_3x3", 32, 3)
    return [one, two, three]


def _block17(make: _Layers, x: Any, name: str) -> list[Any]:
    one = make.conv(x, f"{name}_Branch_0_Conv2d_1x1", 128)
    two = make.conv(x, f"{name}_Branch_1_Conv2d_0a_1x1", 128)
    two = make.conv(two, f"{name}_Branch_1_Conv2d_0b_1x7", 128, (1, 7))
    two = make.conv(two, f"{name}_Branch_1_Conv2d_0c_7x1", 128, (7, 1))
    return [one, two]


def _block8(make: _Layers, x: Any, name: str) -> list[Any]:
    one = make.conv(x, f"{name}_Branch_0_Conv2d_1x1", 192)
    two = make.conv(x, f"{name}_Branch_1_Conv2d_0a_1x1", 192)
    two = make.conv(two, f"{name}_Branch_1_Conv2d_0b_1x3", 192, (1, 3))
    two = make.conv(two, f"{name}_Branch_1_Conv2d_0c_3x1", 192, (3, 1))
    return [one, two]


def _mixed_6a(make: _Layers, x: Any) -> Any:
    from keras import layers

    one = make.conv(x, "Mixed_6a_Branch_0_Conv2d_1a_3x3", 384, 3, 2, "valid")
    two = make.conv(x, "Mixed_6a_Branch_1_Conv2d_0a_1x1", 192)
    two = make.conv(two, "Mixed_6a_Branch_1_Conv2d_0b_3x3", 192, 3)
    two = make.conv(two, "Mixed_6a_Branch_1_Conv2d_1a_3x3", 256, 3, 2, "valid")
    return layers.Concatenate()([one, two, layers.MaxPooling2D(3, 2)(x)])


def _mixed_7a(make: _Layers, x: Any) -> Any:
    from keras import layers

    name = "Mixed_7a_Branch"
    one = make.conv(x, f"{name}_0_Conv2d_0a_1x1", 256)
    one = make.conv(one, f"{name}_0_Conv2d_1a_3x3", 384, 3, 2, "valid")
    two = make.conv(x, f"{name}_1_Conv2d_0a_1x1", 256)
    two = make.conv(two, f"{name}_1_Conv2d_1a_3x3", 256, 3, 2, "valid")
    three = make.conv(x, f"{name}_2_Conv2d_0a_1x1", 256)
    three = make.conv(three, f"{name}_2_Conv2d_0b_3x3", 256, 3)
    three = make.conv(three, f"{name}_2_Conv2d_1a_3x3", 256, 3, 2, "valid")
    return layers.Concatenate()([one, two, three, layers.MaxPooling2D(3, 2)(x)])


def checkpoint_name(layer: str, variable: str) -> str:
    """The name in FaceNet's checkpoints of a variable of one of our layers."""
    scope = layer.removesuffix("_BatchNorm")
    if scope != "Bottleneck":
        scope = re.sub(r"^Block8_6_", "Block8/", scope)
        scope = re.sub(r"^(Block\d+)_(\d+)_", lambda m: f"{_REPEATS[m[1]]}_{m[2]}/", scope)
        scope = re.sub(r"^(Mixed_\d[a-z])_", r"\1/", scope)
        scope = re.sub(r"(Branch_\d)_", r"\1/", scope)
        scope = f"InceptionResnetV1/{scope}"
    return f"{scope}/{_VARIABLES[variable]}"


def load_checkpoint(network: Any, prefix: Path) -> None:
    """Take the weights of FaceNet's checkpoint by the names of its variables; nothing of its graph
    is run.

    Args:
        prefix: path of `.index` and `.data-…` without these endings.

    Raises:
        ModelUnusable: a variable is missing, or has another shape.
    """
    import tensorflow as tf

    reader = tf.train.load_checkpoint(str(prefix))
    known = set(reader.get_variable_to_shape_map())

    def values_of(layer: str, variable: str) -> Float32:
        name = checkpoint_name(layer, variable)
        if name not in known:
            raise KeyError(name)
        return reader.get_tensor(name)

    _load(network, values_of, prefix)


def load_h5(network: Any, path: Path) -> None:
    """Take the weights of the Keras conversion's file (`…-weights.h5`) by the names of layers.

    Raises:
        ModelUnusable: a variable is missing, or has another shape.
    """
    import h5py

    with h5py.File(path) as file:

        def values_of(layer: str, variable: str) -> Float32:
            # Keras 2 repeats the name of the layer: <layer>/<layer>/kernel:0.
            return np.asarray(file[layer][layer][f"{variable}:0"])

        _load(network, values_of, path)


def _load(network: Any, values_of: _ValuesOf, source: Path) -> None:
    for layer in network.layers:
        for variable in layer.weights:
            try:
                values = values_of(layer.name, variable.name)
            except KeyError as error:
                raise ModelUnusable(
                    f"{source.name} has no {layer.name}/{variable.name}.", detail=error
                ) from error
            if values.shape != tuple(variable.shape):
                raise ModelUnusable(
                    f"{layer.name}/{variable.name} is {values.shape} in {source.name}, and not "
                    f"{tuple(variable.shape)}."
                )
            variable.assign(values)
