"""What is in a file, for people who look for its input and its embedding. Nothing is run."""

from __future__ import annotations

from collections import Counter
from math import prod
from pathlib import Path
from typing import Any

from ml_engine.formats.ends import find_ends, last_nodes
from ml_engine.formats.files import ModelFile
from ml_engine.formats.graph import GraphSource, static_shape
from ml_engine.formats.graph_files import read_graph
from ml_engine.formats.wish import JsonValue, Wish
from ml_engine.types import ModelRefused

# Lists are for people, who look for what is large or at an end.
_LONGEST = 500
_SMALL = 16

Found = dict[str, JsonValue]


def inspect(file: ModelFile, wish: Wish) -> Found:
    """See `isolation.inspect_file`."""
    found: Found = {"kind": file.kind, "input": "", "output": "", "reason": ""}
    if file.kind == "tflite":
        return found | _tflite(file.path)
    if file.kind == "onnx":
        return found | _onnx(file.path)
    if file.kind in ("keras", "keras_h5"):
        return found | _keras(file.path)
    source = read_graph(file, wish.checkpoint)
    try:
        ends = find_ends(source, wish)
        found |= {"input": ends.input, "output": ends.output, "size": ends.size}
    except ModelRefused as error:
        found["reason"] = error.message
    return found | _graph(source)


def _graph(source: GraphSource) -> Found:
    nodes = list(source.graph.node)
    inside = [node for each in source.graph.library.function for node in each.node_def]
    return {
        "placeholders": [
            _described(node.name, static_shape(node, 0), _dtype(node))
            for node in nodes
            if node.op.startswith("Placeholder")
        ],
        "operations": dict(Counter(node.op for node in nodes + inside).most_common()),
        "variables": [_described(name, shape) for name, shape in sorted(source.shapes.items())][
            :_LONGEST
        ],
        "constants": _constants(nodes),
        "outputs": [f"{name}:0" for name in last_nodes(source)][:_LONGEST],
    }


def _constants(nodes: list[Any]) -> JsonValue:
    tensors = [(node.name, node.attr["value"].tensor, node) for node in nodes if node.op == "Const"]
    shapes = [
        (name, [dim.size for dim in tensor.tensor_shape.dim], node)
        for name, tensor, node in tensors
    ]
    large = [each for each in shapes if prod(each[1]) > _SMALL]
    return [_described(name, shape, _dtype(node)) for name, shape, node in large[:_LONGEST]]


def _dtype(node: Any) -> str:
    from tensorflow.python.framework import dtypes

    return str(dtypes.as_dtype(node.attr["dtype"].type).name)


def _described(name: str, shape: list[int] | None, dtype: str = "") -> Found:
    told: Found = {"name": name, "shape": None if shape is None else [*shape]}
    return told | ({"dtype": dtype} if dtype else {})


def _tflite(path: Path) -> Found:
    from ml_engine.formats.tflite_file import read_tflite

    file = read_tflite(path)
    tensors: list[JsonValue] = [_described(name, [*shape]) for name, shape in file.tensors]
    return {
        "input": ", ".join(file.tensors[number][0] for number in file.inputs),
        "output": ", ".join(file.tensors[number][0] for number in file.outputs),
        "operations": {**file.counts},
        "tensors": tensors[:_LONGEST],
    }


def _onnx(path: Path) -> Found:
    from ml_engine.formats.onnx_file import read_onnx

    file = read_onnx(path)
    constants = [(each.name, list(each.dims)) for each in file.model.graph.initializer]
    return {
        "input": ", ".join(name for name, _, _ in file.inputs),
        "output": ", ".join(file.outputs),
        "placeholders": [_described(name, [*shape]) for name, shape, _ in file.inputs],
        "operations": {**file.counts},
        "constants": [_described(name, shape) for name, shape in constants[:_LONGEST]],
        "tensors": [name for node in file.model.graph.node for name in node.output][:_LONGEST],
    }


def _keras(path: Path) -> Found:
    """From the configuration: Keras is not asked."""
    from ml_engine.formats.keras_classes import check_keras_file, keras_config

    check_keras_file(path)
    config = keras_config(path)
    layers = config.get("config", {}).get("layers", [])
    return {
        "operations": dict(Counter(str(layer["class_name"]) for layer in layers).most_common()),
        "layers": [str(layer.get("config", {}).get("name", "")) for layer in layers][:_LONGEST],
    }
