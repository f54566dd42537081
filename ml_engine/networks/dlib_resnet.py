"""dlib's face recognition ResNet as a Keras network, with the weights of dlib's own file.

Architecture: a ResNet with 29 convolutions after He, Zhang, Ren, Sun, "Deep Residual Learning for
Image Recognition", 2015 (arXiv:1512.03385), as cut down by dlib (`dnn_face_recognition_ex`).
Weights: dlib_face_recognition_resnet_model_v1, CC0, 128-d. dlib takes (x - mean) / 256; here the
first layer absorbs that, and the network takes pixels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIZE = 150
DIMENSION = 128
_MEAN, _SCALE = np.array([122.782, 117.001, 104.298]), 256.0
# Filters, blocks; every stage after the first begins with a block that halves the picture.
_STAGES = ((32, 3), (64, 4), (128, 3), (256, 3), (256, 1))


def build(weights: Path) -> Any:
    """The network with the weights of dlib's file: RGB pixels 0..255 (n, 150, 150, 3) to (n, 128),
    not yet of length 1."""
    model = _network()
    (first, *rest), dense = read_weights(weights)
    _load(model, [_taking_pixels(first), *rest], dense)
    return model


def _network() -> Any:
    import keras
    from keras import layers, ops

    def block(x: Any, filters: int, *, halves: bool) -> Any:
        if halves:
            y = layers.Conv2D(filters, 3, 2, padding="valid", activation="relu")(x)
        else:
            y = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        y = layers.Conv2D(filters, 3, padding="same")(y)
        if halves:
            x = layers.AveragePooling2D(2, 2)(x)
        return layers.ReLU()(_add_padded(x, y))

    def _add_padded(x: Any, y: Any) -> Any:
        """dlib adds tensors of different shapes as if each were padded with zeros."""
        height, width = max(x.shape[1], y.shape[1]), max(x.shape[2], y.shape[2])
        channels = max(x.shape[3], y.shape[3])

        def pad(z: Any) -> Any:
            wanted = (height, width, channels)
            missing = [(0, to - have) for to, have in zip(wanted, z.shape[1:], strict=True)]
            return ops.pad(z, [(0, 0), *missing]) if any(m for _, m in missing) else z

        return layers.Add()([pad(x), pad(y)])

    inputs = keras.Input((SIZE, SIZE, 3))  # (n, 150, 150, 3)
    x = layers.Conv2D(32, 7, 2, padding="valid", activation="relu")(inputs)  # (n, 72, 72, 32)
    x = layers.MaxPooling2D(3, 2)(x)  # (n, 35, 35, 32)
    for stage, (filters, blocks) in enumerate(_STAGES):
        for number in range(blocks):
            x = block(x, filters, halves=stage > 0 and number == 0)
    x = layers.GlobalAveragePooling2D()(x)  # (n, 256)
    outputs = layers.Dense(DIMENSION, use_bias=False)(x)
    return keras.Model(inputs, outputs, name="dlib_resnet")


@dataclass(frozen=True, slots=True)
class ConvolutionWeights:
    """kernel: (h, w, in, out), bias: (out,); dlib's affine layer is folded into both."""

    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]


def _taking_pixels(first: ConvolutionWeights) -> ConvolutionWeights:
    """Exact, because the first convolution pads nothing."""
    kernel = first.kernel / _SCALE
    bias = first.bias - np.einsum("hwio,i->o", kernel, _MEAN)
    return ConvolutionWeights(kernel.astype(np.float32), bias.astype(np.float32))


def _load(model: Any, convolutions: list[ConvolutionWeights], dense: NDArray[np.float32]) -> None:
    from keras import layers

    targets = [layer for layer in model.layers if isinstance(layer, layers.Conv2D)]
    for layer, values in zip(targets, convolutions, strict=True):
        layer.set_weights([values.kernel, values.bias])
    next(la for la in model.layers if isinstance(la, layers.Dense)).set_weights([dense])


# dlib's serialisation: an integer is one byte (low nibble: how many bytes follow, bit 7: sign) and
# those bytes, little-endian. A string is its length and its bytes. A tensor is the integer 2, four
# integers (num, k, nr, nc) and float32 values, little-endian.


class _Reader:
    def __init__(self, data: bytes, position: int) -> None:
        self.data = data
        self.position = position

    def integer(self) -> int:
        head = self.data[self.position]
        count = head & 0x0F
        body = self.data[self.position + 1 : self.position + 1 + count]
        self.position += 1 + count
        value = int.from_bytes(body, "little")
        return -value if head & 0x80 else value

    def tensor(self) -> NDArray[np.float32]:
        version = self.integer()
        if version != 2:
            raise ValueError(f"A tensor of version {version} in a dlib file; 2 is understood.")
        shape = tuple(self.integer() for _ in range(4))
        count = int(np.prod(shape))
        values = np.frombuffer(self.data, "<f4", count, self.position)
        self.position += 4 * count
        return values.reshape(shape)


def read_weights(path: Path) -> tuple[list[ConvolutionWeights], NDArray[np.float32]]:
    """The convolutions from the input to the output, and the last layer (256, 128)."""
    data = path.read_bytes()
    return list(_convolutions(data)), _dense(data)


def _readers(data: bytes, tag: bytes) -> Iterator[_Reader]:
    """A reader behind each layer of this kind; the tag is a string, so its length stands first."""
    pattern = re.escape(bytes([1, len(tag)]) + tag)
    return (_Reader(data, match.end()) for match in re.finditer(pattern, data))


def _convolutions(data: bytes) -> Iterator[ConvolutionWeights]:
    affines = _readers(data, b"affine_")
    for reader, affine in zip(_readers(data, b"con_4"), affines, strict=True):
        values = reader.tensor().ravel()
        filters, height, width = reader.integer(), reader.integer(), reader.integer()
        kernel, bias = values[:-filters], values[-filters:]
        kernel = kernel.reshape(filters, -1, height, width).transpose(2, 3, 1, 0)
        gamma, beta = affine.tensor().reshape(2, filters)
        yield ConvolutionWeights(kernel * gamma, bias * gamma + beta)


def _dense(data: bytes) -> NDArray[np.float32]:
    reader = next(_readers(data, b"fc_2"))
    outputs, inputs = reader.integer(), reader.integer()
    return reader.tensor().reshape(inputs, outputs)
