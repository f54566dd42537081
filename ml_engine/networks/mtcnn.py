"""The three networks of MTCNN as Keras models, with the weights of the PyPI package `mtcnn`.

Architecture: Zhang, Zhang, Li, Qiao, "Joint Face Detection and Alignment using Multi-task Cascaded
Convolutional Networks", 2016 (arXiv:1604.02878). The weights (MIT) lie in the package as lists of
arrays in layer order. Every network takes RGB; offsets of a box are in units of its sides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml_engine.networks.joblib_arrays import read_arrays

# Window that P-Net looks at, and the step between two windows.
PNET_WINDOW = 12
PNET_STRIDE = 2
RNET_SIZE = 24
ONET_SIZE = 48

Weights = Sequence[NDArray[np.float32]]


def preprocess(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """RGB pixels to the input of a network that was built without `takes_pixels`."""
    return (pixels.astype(np.float32) - 127.5) / 128.0


def build_pnet(weights: Path, *, takes_pixels: bool = False) -> Any:
    """(n, h, w, 3) to cells (n, ⌈(h-2)/2⌉-4, …, 5): box offsets and the log-odds of a face.

    One layer for both, and no softmax over cells of which hardly any is a face: as two layers and
    with it, that took a sixth of the network's time.

    Args:
        takes_pixels: the input is 0..255 instead of `preprocess`ed (the first layer absorbs it).
    """
    import keras
    from keras import layers

    inputs = keras.Input((None, None, 3))
    x = _conv(inputs, 10, 3)
    x = layers.MaxPooling2D(2, 2, padding="same")(x)
    x = _conv(_conv(x, 16, 3), 32, 3)
    model = keras.Model(inputs, layers.Conv2D(5, 1, name="cells")(x), name="mtcnn_pnet")
    *trunk, offsets_kernel, offsets_bias, faces_kernel, faces_bias = read_arrays(weights)
    kernel = np.concatenate([offsets_kernel, _log_odds(faces_kernel)], axis=-1)
    bias = np.concatenate([offsets_bias, _log_odds(faces_bias)])
    return _with_weights(model, [*trunk, kernel, bias], takes_pixels=takes_pixels)


def _log_odds(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weights (…, 2) of a softmax over not a face and a face to those (…, 1) of its log-odds."""
    return values[..., 1:] - values[..., :1]


def build_rnet(weights: Path, *, takes_pixels: bool = False) -> Any:
    """Crops (n, 24, 24, 3) to box offsets (n, 4) and (n, 2): not a face, a face."""
    import keras
    from keras import layers

    inputs = keras.Input((RNET_SIZE, RNET_SIZE, 3))
    x = _conv(inputs, 28, 3)  # (n, 22, 22, 28)
    x = layers.MaxPooling2D(3, 2, padding="same")(x)  # (n, 11, 11, 28)
    x = _conv(x, 48, 3)
    x = layers.MaxPooling2D(3, 2)(x)  # (n, 4, 4, 48)
    x = _dense(_conv(x, 64, 2), 128)
    offsets = layers.Dense(4, name="offsets")(x)
    faces = layers.Dense(2, activation="softmax", name="faces")(x)
    model = keras.Model(inputs, [offsets, faces], name="mtcnn_rnet")
    return _with_weights(model, read_arrays(weights), takes_pixels=takes_pixels)


def build_onet(weights: Path, *, takes_pixels: bool = False) -> Any:
    """Crops (n, 48, 48, 3) to box offsets (n, 4), landmarks (n, 10) and (n, 2).

    Landmarks are five x, then five y, in units of the crop's box.
    """
    import keras
    from keras import layers

    inputs = keras.Input((ONET_SIZE, ONET_SIZE, 3))
    x = _conv(inputs, 32, 3)  # (n, 46, 46, 32)
    x = layers.MaxPooling2D(3, 2, padding="same")(x)  # (n, 23, 23, 32)
    x = _conv(x, 64, 3)
    x = layers.MaxPooling2D(3, 2)(x)  # (n, 10, 10, 64)
    x = _conv(x, 64, 3)
    x = layers.MaxPooling2D(2, 2, padding="same")(x)  # (n, 4, 4, 64)
    x = _dense(_conv(x, 128, 2), 256)
    offsets = layers.Dense(4, name="offsets")(x)
    landmarks = layers.Dense(10, name="landmarks")(x)
    faces = layers.Dense(2, activation="softmax", name="faces")(x)
    model = keras.Model(inputs, [offsets, landmarks, faces], name="mtcnn_onet")
    return _with_weights(model, read_arrays(weights), takes_pixels=takes_pixels)


def _conv(x: Any, filters: int, kernel: int) -> Any:
    from keras import layers

    return layers.PReLU(shared_axes=[1, 2])(layers.Conv2D(filters, kernel)(x))


def _dense(x: Any, units: int) -> Any:
    """The weights were trained on a map flattened column by column: width, height, channel."""
    from keras import layers, ops

    x = layers.Permute((2, 1, 3))(x)
    # Not Flatten: with a free batch that becomes four operations in a converted file.
    x = ops.reshape(x, (-1, math.prod(x.shape[1:])))
    return layers.PReLU()(layers.Dense(units)(x))


def _with_weights(model: Any, weights: Weights, *, takes_pixels: bool) -> Any:
    """The model with `weights`: layer by layer, the heads last, in the order of the outputs."""
    values = list(weights)
    if takes_pixels:
        values[:2] = _absorb_preprocess(values[0], values[1])
    heads = list(model.output_names)
    trunk = [layer for layer in model.layers if layer.name not in heads]
    for layer in [*trunk, *map(model.get_layer, heads)]:
        count = len(layer.weights)
        layer.set_weights(values[:count])
        values = values[count:]
    if values:
        raise ValueError(f"{model.name}: {len(values)} arrays too many")
    return model


def _absorb_preprocess(
    kernel: NDArray[np.float32], bias: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The first convolution so that it takes 0..255: exact, because it pads nothing."""
    return kernel / 128.0, bias - kernel.sum(axis=(0, 1, 2)) * (127.5 / 128.0)
