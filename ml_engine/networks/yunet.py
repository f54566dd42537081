"""YuNet as a Keras model: boxes and five landmarks in one pass over a picture.

Architecture: Wu, Peng, Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence
Research 20, 2023. The weights are those of OpenCV's model zoo (MIT), whose file has batch
normalisation folded into its convolutions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

STRIDES = (8, 16, 32)
# Sides of the input are multiples of this, plus `EDGE_PX`.
GRID_PX = 32
# The input brings along the first layer's margin of one pixel on the left and at the top: padding
# inside the network costs a copy of the picture.
EDGE_PX = 1
# Pairs of a pointwise and a depthwise convolution with a ReLU after each pair, by stage.
_STAGES = (1, 2, 2, 2, 2, 2)
_IS_HALVED_AFTER = (True, False, True, True, True, False)
# The first of the stages whose maps are used.
_FIRST_MAP = 3
_HEADS = 4

Array = NDArray[np.float32]
# Kernel (out, in, height, width) and bias (out,).
Convolution = tuple[Array, Array]


def build_yunet(convolutions: Sequence[Convolution]) -> Any:
    """RGB pixels 0..255 (n, h, w, 3) to one map (n, rows, columns, 16) for each of `STRIDES`: the
    log-odds of a cell's two scores, its box and its five points.

    Args:
        convolutions: in the order of the file.
    """
    import keras
    from keras import layers

    rest = iter(convolutions)
    inputs = keras.Input((None, None, 3))
    x = layers.ReLU()(_stem(inputs, *next(rest)))
    maps = []
    for stage, pairs in enumerate(_STAGES):
        for _ in range(pairs):
            x = layers.ReLU()(_separable(x, next(rest), next(rest)))
        if stage >= _FIRST_MAP:
            maps.append(x)
        if _IS_HALVED_AFTER[stage]:
            x = layers.MaxPooling2D(2, 2)(x)
    necks: list[Any] = []
    for x in reversed(maps):
        both = layers.Add()([x, _doubled(necks[-1])]) if necks else x
        necks.append(layers.ReLU()(_separable(both, next(rest), next(rest))))
    heads = [_separable(x, *head) for x, head in zip(necks[::-1], _heads(rest), strict=True)]
    return keras.Model(inputs, heads, name="yunet")


def _heads(rest: Iterator[Convolution]) -> list[tuple[Convolution, Convolution]]:
    """For each stride all heads as one: the file has each head for all strides."""
    pairs = list(rest)
    scores, boxes, presence, points = (
        pairs[at : at + 2 * len(STRIDES)] for at in range(0, len(pairs), 2 * len(STRIDES))
    )
    ordered = scores, presence, boxes, points
    return [
        tuple(_joined([head[2 * level + step] for head in ordered]) for step in (0, 1))  # type: ignore[misc]
        for level in range(len(STRIDES))
    ]


def _joined(parts: Sequence[Convolution]) -> Convolution:
    return np.concatenate([kernel for kernel, _ in parts]), np.concatenate([b for _, b in parts])


def _stem(x: Any, kernel: Array, bias: Array) -> Any:
    """The file takes BGR."""
    from keras import layers

    return _with(layers.Conv2D(len(bias), 3, 2), x, kernel[:, ::-1].transpose(2, 3, 1, 0), bias)


def _separable(x: Any, pointwise: Convolution, depthwise: Convolution) -> Any:
    from keras import layers

    kernel, bias = pointwise
    x = _with(layers.Conv2D(len(bias), 1), x, kernel.transpose(2, 3, 1, 0), bias)
    kernel, bias = depthwise
    layer = layers.DepthwiseConv2D(3, padding="same")
    return _with(layer, x, kernel.transpose(2, 3, 0, 1), bias)


def _with(layer: Any, x: Any, kernel: Array, bias: Array) -> Any:
    y = layer(x)
    layer.set_weights([kernel, bias])
    return y


def _doubled(x: Any) -> Any:
    """Each pixel four times. Resizing to a size that is not known keeps XNNPACK from running a
    network of a free size."""
    import tensorflow as tf
    from keras import layers

    def doubled(x: Any) -> Any:
        return tf.nn.depth_to_space(tf.concat([x] * 4, axis=-1), 2)

    return layers.Lambda(doubled)(x)
