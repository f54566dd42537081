"""MobileFaceNet as a Keras network, with the weights of the published LiteRT file.

Architecture: Chen, Liu, Gao, Han, "MobileFaceNets: Efficient CNNs for Accurate Real-Time Face
Verification on Mobile Devices", 2018 (arXiv:1804.07573). The file's weights: MobileFaceNet_TF,
Apache-2.0, trained on MS-Celeb-1M. The file spells PReLU out as five operations and fixes a batch
of two; here PReLU is one layer and the batch is free. The file takes (x - 127.5) / 128; here the
network takes pixels, and the first layer absorbs the scale (not the mean, because its padding is
zero). The file's last two layers have nothing between them; here they are one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIZE = 112
DIMENSION = 192
_MEAN, _SCALE = 127.5, 128.0
# Expansion, channels, repeats, stride of the first.
_BLOCKS = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))


def build(weights: Path) -> Any:
    """The network with the weights of the LiteRT file: RGB pixels 0..255 (n, 112, 112, 3) to
    (n, 192), not yet of length 1."""
    model = _network()
    first, *middle, last_but_one, last = read_layers(weights)
    _load(model, [_taking_pixels(first), *middle, _in_one(last_but_one, last)])
    return model


def _network() -> Any:
    import keras
    from keras import layers, ops

    def conv(
        x: Any, filters: int, kernel: int = 1, stride: int = 1, *, active: bool = True
    ) -> Any:  # fmt: skip
        x = layers.Conv2D(filters, kernel, stride, padding="same")(x)
        return layers.PReLU(shared_axes=[1, 2])(x) if active else x

    def depthwise(x: Any, stride: int = 1) -> Any:
        x = layers.DepthwiseConv2D(3, stride, padding="same")(x)
        return layers.PReLU(shared_axes=[1, 2])(x)

    def block(x: Any, expansion: int, filters: int, stride: int) -> Any:
        channels = x.shape[-1]
        y = conv(x, channels * expansion)
        y = conv(depthwise(y, stride), filters, active=False)
        return layers.Add()([x, y]) if stride == 1 and channels == filters else y

    inputs = keras.Input((SIZE, SIZE, 3))  # (n, 112, 112, 3)
    x = conv(inputs - _MEAN, 64, 3, 2)  # (n, 56, 56, 64)
    x = conv(depthwise(x), 64, active=False)
    for expansion, filters, repeats, stride in _BLOCKS:
        for repeat in range(repeats):
            x = block(x, expansion, filters, stride if repeat == 0 else 1)
    x = conv(x, 512)  # (n, 7, 7, 512)
    x = layers.DepthwiseConv2D(7)(x)  # (n, 1, 1, 512)
    x = conv(x, DIMENSION, active=False)
    return keras.Model(inputs, ops.squeeze(x, axis=(1, 2)), name="mobilefacenet")


@dataclass(frozen=True, slots=True)
class ConvolutionWeights:
    """kernel: (h, w, in, out), or (h, w, channels, 1) of a depthwise layer; slope: of a PReLU."""

    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]
    slope: NDArray[np.float32] | None


def _taking_pixels(first: ConvolutionWeights) -> ConvolutionWeights:
    return ConvolutionWeights(first.kernel / _SCALE, first.bias, first.slope)


def _in_one(left: ConvolutionWeights, right: ConvolutionWeights) -> ConvolutionWeights:
    """Two convolutions 1x1 without anything between them, as one."""
    kernel = left.kernel @ right.kernel  # (1, 1, in, between) and (1, 1, between, out)
    return ConvolutionWeights(kernel, left.bias @ right.kernel[0, 0] + right.bias, right.slope)


def _load(model: Any, weights: list[ConvolutionWeights]) -> None:
    """Put the weights into the model's layers, which stand in the same order."""
    from keras import layers

    convolutions = [
        layer
        for layer in model.layers
        if isinstance(layer, (layers.Conv2D, layers.DepthwiseConv2D))
    ]
    slopes = [layer for layer in model.layers if isinstance(layer, layers.PReLU)]
    for layer, values in zip(convolutions, weights, strict=True):
        layer.set_weights([values.kernel, values.bias])
    with_slope = [values.slope for values in weights if values.slope is not None]
    for layer, slope in zip(slopes, with_slope, strict=True):
        layer.set_weights([slope.reshape(1, 1, -1)])


def read_layers(path: Path) -> list[ConvolutionWeights]:
    """The convolutions of the published file, from the input to the output."""
    from tensorflow.lite.python import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes(), 0))
    graph = model.subgraphs[0]
    # Files of before 2020 have their codes in the older field; the other one is zero.
    kinds = [max(c.builtinCode, c.deprecatedBuiltinCode) for c in model.operatorCodes]

    def constant(index: int) -> NDArray[np.float32] | None:
        tensor = graph.tensors[index]
        data = model.buffers[tensor.buffer].data
        if data is None:
            return None
        return np.frombuffer(bytes(data), dtype="<f4").reshape(tensor.shape)

    operators = [(kinds[op.opcodeIndex], op) for op in graph.operators]
    return list(_convolutions(operators, constant, schema.BuiltinOperator))


def _convolutions(operators: Any, constant: Any, kinds: Any) -> Iterator[ConvolutionWeights]:
    pending: ConvolutionWeights | None = None
    for kind, op in operators:
        if kind in (kinds.CONV_2D, kinds.DEPTHWISE_CONV_2D):
            if pending is not None:
                yield pending
            kernel, bias = constant(op.inputs[1]), constant(op.inputs[2])
            # Stored as (out, h, w, in); a depthwise one as (1, h, w, channels).
            order = (1, 2, 3, 0)
            pending = ConvolutionWeights(kernel.transpose(order), bias, None)
        elif kind == kinds.MUL and pending is not None:
            # relu(x) + m (x - |x|): the slope of the PReLU is 2 m.
            multiplier = next(c for c in map(constant, op.inputs) if c is not None)
            pending = ConvolutionWeights(pending.kernel, pending.bias, 2 * multiplier)
    if pending is not None:
        yield pending
