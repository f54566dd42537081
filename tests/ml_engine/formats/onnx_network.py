"""The network of `networks` as an ONNX file, written by hand after the format's definition."""

from __future__ import annotations

from typing import Any

import numpy as np

from ml_engine.formats.onnx_schema import message_class
from tests.ml_engine.formats.networks import SIZE, weights

_FLOAT, _INTS, _TEXT = 1, 7, 3
_EPSILON = 1e-3


def onnx_network() -> bytes:
    """Faces (n, 3, 32, 32) to vectors."""
    model = message_class("ModelProto")(ir_version=8)
    model.opset_import.add(domain="", version=17)
    graph = model.graph
    graph.name = "network"
    for values, name, shape in (
        (graph.input, "data", ("n", 3, SIZE, SIZE)), (graph.output, "vector", ("n", 16)),
    ):  # fmt: skip
        kind = values.add(name=name).type.tensor_type
        kind.elem_type = _FLOAT
        for side in shape:
            value = {"dim_param": side} if isinstance(side, str) else {"dim_value": side}
            kind.shape.dim.add(**value)
    x = _pool(graph, _conv(graph, "data", "stem", 2))
    parts = [_conv(graph, x, name, 1) for name in ("one", "three", "five")]
    x = _node(graph, "Concat", parts, axis=1)
    x = _node(graph, "Flatten", [_node(graph, "GlobalAveragePool", [x])])
    x = _node(graph, "MatMul", [x, _tensor(graph, "bottleneck", weights()["Bottleneck/weights"])])
    _node(graph, "LpNormalization", [x], output="vector", axis=1, p=2)
    return bytes(model.SerializeToString())


def _conv(graph: Any, x: str, name: str, stride: int) -> str:
    """A convolution with its normalisation folded in."""
    made = weights()
    scale = 1 / np.sqrt(made[f"{name}/BatchNorm/moving_variance"] + _EPSILON)
    kernel = (made[f"{name}/weights"] * scale).transpose(3, 2, 0, 1)
    bias = made[f"{name}/BatchNorm/beta"] - made[f"{name}/BatchNorm/moving_mean"] * scale
    inputs = [x, _tensor(graph, f"{name}/w", kernel), _tensor(graph, f"{name}/b", bias)]
    side = kernel.shape[2]
    same: dict[str, Any] = {"kernel_shape": [side, side], "strides": [stride, stride]}
    same["auto_pad"] = b"SAME_UPPER"
    return _node(graph, "Relu", [_node(graph, "Conv", inputs, **same)])


def _pool(graph: Any, x: str) -> str:
    return _node(graph, "MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])


def _tensor(graph: Any, name: str, values: Any) -> str:
    array = np.ascontiguousarray(values, np.float32)
    graph.initializer.add(name=name, dims=array.shape, data_type=_FLOAT, raw_data=array.tobytes())
    return name


def _node(graph: Any, kind: str, inputs: list[str], *, output: str = "", **attributes: Any) -> str:
    output = output or f"t{len(graph.node)}"
    node = graph.node.add(op_type=kind, name=output, input=inputs, output=[output])
    for name, value in attributes.items():
        if isinstance(value, bytes):
            node.attribute.add(name=name, type=_TEXT, s=value)
        elif isinstance(value, int):
            node.attribute.add(name=name, type=2, i=value)
        else:
            node.attribute.add(name=name, type=_INTS, ints=value)
    return output
