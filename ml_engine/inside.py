"""What a network sees: its layers, the filters of the first one, and feature maps of a face.

It runs on LiteRT with the plain kernels, because the fast ones keep nothing of what lies between
input and output. So it is slow, and for people who look.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ml_engine.formats.tflite_file import TfliteFile, read_tflite
from ml_engine.runtime.device import resolve_device
from ml_engine.runtime.litert import LiteRtFile
from ml_engine.types import Float32, Image, ModelUnusable
from ml_engine.zoo import EmbedderCard
from ml_engine.zoo.own import OwnNetwork

_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
_POOLS = ("MAX_POOL_2D", "AVERAGE_POOL_2D")
_SAME = 0
_MOST_MAPS = 16
_MOST_FILTERS = 64
_SHOWN_LAYERS = 4
_GAP_PX = 2
# Everything that lies between input and output is kept until the pictures are made.
_MAX_KEPT_BYTES = 256 << 20
_ALONE = threading.Lock()


@dataclass(frozen=True, slots=True)
class Window:
    """Of a convolution or a pooling, along the width: `out = (into - size + padding) / stride + 1`,
    rounded down. padding: on both sides together (2P in textbooks)."""

    into: int
    size: int
    padding: int
    stride: int
    out: int

    @property
    def formula(self) -> str:
        return f"({self.into} - {self.size} + {self.padding}) / {self.stride} + 1 = {self.out}"


@dataclass(frozen=True, slots=True)
class Layer:
    """An operation. number: from 0, in the order of the file. shape: of its output without the
    batch. weights: their number."""

    number: int
    operation: str
    shape: tuple[int, ...]
    weights: int
    window: Window | None = None


@dataclass(frozen=True, slots=True)
class Inside:
    """face: the crop that the network gets. edges: the same through Sobel's filters, which look for
    edges as first layers learn to. filters: of the first convolution; None if there is none. maps:
    of some convolutions, the first channels of each, brightest where the output is largest."""

    layers: list[Layer]
    face: Image
    edges: Image
    filters: Image | None
    maps: list[tuple[Layer, Image]]


def look_inside(card: EmbedderCard, weights_dir: Path, face: Image) -> Inside:
    """Run an embedder on one face and keep what is in between.

    Args:
        face: (size, size, 3), as an aligner of the card cuts it.

    Raises:
        ModelUnusable: it is made of other embedders, LiteRT does not run it or did not yet, or too
            much lies in between.
        WeightsUnavailable: its file is missing.
    """
    with _ALONE:
        path, values = _file_and_input(card, weights_dir, face)
        return _looked_inside(path, values, face)


def _looked_inside(path: Path, values: Float32, face: Image) -> Inside:
    file = read_tflite(path)
    try:
        interpreter = _run(file, path, values)
    except (RuntimeError, ValueError) as error:
        raise ModelUnusable("LiteRT does not run this model.", detail=error) from error
    layers = _layers(file, interpreter)
    seen = [layer for layer in layers if _is_shown(layer)]
    return Inside(
        layers=layers,
        face=face,
        edges=sobel(face),
        filters=_filters(file, interpreter, seen[0]) if seen else None,
        maps=[(layer, _maps(file, interpreter, layer)) for layer in _spread(seen, _SHOWN_LAYERS)],
    )


def _is_shown(layer: Layer) -> bool:
    """A convolution that gives pictures; a picture of one pixel shows nothing."""
    is_picture = len(layer.shape) == 3 and min(layer.shape[:2]) > 1
    return layer.operation in _CONVOLUTIONS and is_picture


def sobel(face: Image) -> Image:
    """The strength of edges, (h, w, 3), by Sobel's two 3x3 filters."""
    grey = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)
    across, down = (cv2.Sobel(grey, cv2.CV_32F, dx, 1 - dx, ksize=3) for dx in (1, 0))
    return _as_rgb(_stretched(np.hypot(across, down)))


def _file_and_input(card: EmbedderCard, weights_dir: Path, face: Image) -> tuple[Path, Float32]:
    if card.source is None:
        raise ModelUnusable(f"{card.name} is made of other models: look at those.")
    if isinstance(card.source, OwnNetwork):
        own = card.source.card
        if own.runtime != "litert":
            raise ModelUnusable("The layers of an ONNX file cannot be shown.")
        values = own.preprocessing.apply(np.repeat(face[None], max(1, own.batch), axis=0))
        if own.layout == "nchw":
            values = values.transpose(0, 3, 1, 2)
        return card.source.checked_path(weights_dir), values
    network = card.source.network(card, weights_dir, resolve_device("cpu"))
    if not isinstance(network, LiteRtFile):
        raise ModelUnusable(f"LiteRT does not run {card.name}.")
    path = network.path_for((1, *face.shape))
    if not path.exists():  # to make it takes TensorFlow
        raise ModelUnusable(f"{card.name} was not used here yet: find a face with it first.")
    return path, face[None].astype(np.float32)


def _run(file: TfliteFile, path: Path, values: Float32) -> Any:
    _check_memory(file, _allocated(path, values, keeps_all=False))
    interpreter = _allocated(path, values, keeps_all=True)
    interpreter.set_tensor(_input_index(interpreter), np.ascontiguousarray(values))
    interpreter.invoke()
    return interpreter


def _allocated(path: Path, values: Float32, *, keeps_all: bool) -> Any:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        str(path),
        experimental_preserve_all_tensors=keeps_all,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.resize_tensor_input(_input_index(interpreter), values.shape)
    interpreter.allocate_tensors()
    return interpreter


def _input_index(interpreter: Any) -> int:
    return int(interpreter.get_input_details()[0]["index"])


def _check_memory(file: TfliteFile, interpreter: Any) -> None:
    made = {int(one) for operator in _operators(file) for one in operator.outputs}
    size = sum(
        math.prod(one["shape"].tolist()) * np.dtype(one["dtype"]).itemsize
        for one in interpreter.get_tensor_details()
        if one["index"] in made
    )
    if size > _MAX_KEPT_BYTES:
        raise ModelUnusable(
            f"{size >> 20} MB lie between input and output; at most {_MAX_KEPT_BYTES >> 20} MB are "
            "kept to be shown."
        )


def _layers(file: TfliteFile, interpreter: Any) -> list[Layer]:
    shapes = {
        one["index"]: tuple(one["shape"].tolist()) for one in interpreter.get_tensor_details()
    }
    buffers = file.model.buffers
    layers = []
    for number, operator in enumerate(_operators(file)):
        out = shapes[int(operator.outputs[0])]
        inputs = [int(one) for one in operator.inputs if one >= 0]
        constant = [one for one in inputs if buffers[_tensors(file)[one].buffer].data is not None]
        layers.append(
            Layer(
                number=number,
                operation=file.operations[number],
                shape=out[1:],
                weights=sum(math.prod(shapes[one]) for one in constant),
                window=_window(file.operations[number], operator, shapes, inputs, out),
            )
        )
    return layers


def _window(
    operation: str,
    operator: Any,
    shapes: dict[int, tuple[int, ...]],
    inputs: list[int],
    out: tuple[int, ...],
) -> Window | None:
    options = operator.builtinOptions
    if operation in _CONVOLUTIONS:
        # A filter with gaps covers more pixels.
        size = (shapes[inputs[1]][2] - 1) * options.dilationWFactor + 1
    elif operation in _POOLS:
        size = options.filterWidth
    else:
        return None
    into, stride = shapes[inputs[0]][2], options.strideW
    needed = (out[2] - 1) * stride + size - into
    padding = max(needed, 0) if options.padding == _SAME else 0
    return Window(into, size, padding, stride, out[2])


def _filters(file: TfliteFile, interpreter: Any, layer: Layer) -> Image:
    """(out, h, w, in) of the first convolution, as small pictures side by side."""
    weights = np.asarray(
        interpreter.get_tensor(int(_operators(file)[layer.number].inputs[1])), np.float32
    )
    if weights.shape[3] != 3:
        weights = np.repeat(weights[..., :1], 3, axis=3)
    pictures = [_stretched(one) for one in weights[:_MOST_FILTERS]]
    side = max(4, 32 // weights.shape[1])
    return _side_by_side([one.repeat(side, 0).repeat(side, 1) for one in pictures])


def _maps(file: TfliteFile, interpreter: Any, layer: Layer) -> Image:
    values = interpreter.get_tensor(int(_operators(file)[layer.number].outputs[0]))[0]
    pictures = []
    for channel in range(min(values.shape[2], _MOST_MAPS)):
        grey = _as_rgb(_stretched(values[..., channel]))
        side = max(1, round(64 / grey.shape[0]))
        pictures.append(grey.repeat(side, 0).repeat(side, 1))
    return _side_by_side(pictures)


def _side_by_side(pictures: list[Image]) -> Image:
    """In rows of eight."""
    width = min(8, len(pictures))
    height, side = pictures[0].shape[:2]
    rows = math.ceil(len(pictures) / width)
    sheet = np.full((rows * (height + _GAP_PX), width * (side + _GAP_PX), 3), 128, np.uint8)
    for number, picture in enumerate(pictures):
        top, left = number // width * (height + _GAP_PX), number % width * (side + _GAP_PX)
        sheet[top : top + height, left : left + side] = picture
    return sheet


def _stretched(values: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Darkest at the least value, brightest at the largest."""
    low, high = float(values.min()), float(values.max())
    return np.asarray((values - low) * (255 / max(high - low, 1e-12)), np.uint8)


def _as_rgb(grey: NDArray[np.uint8]) -> Image:
    return np.repeat(grey[..., None], 3, axis=2)


def _spread(layers: list[Layer], count: int) -> list[Layer]:
    """The first, the last, and others between them at equal distances."""
    places = np.linspace(0, len(layers) - 1, min(count, len(layers))).round().astype(int)
    return [layers[place] for place in dict.fromkeys(places.tolist())]


def _operators(file: TfliteFile) -> list[Any]:
    return list(file.model.subgraphs[0].operators)


def _tensors(file: TfliteFile) -> list[Any]:
    return list(file.model.subgraphs[0].tensors)
