"""Graphs in NCHW (channels first) as NHWC, which TensorFlow and LiteRT need on a CPU."""

from __future__ import annotations

from typing import Any

from ml_engine.formats.operations import OperationRefused

_FIRST, _LAST = b"NCHW", b"NHWC"
_TO_LAST, _TO_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)
# Attributes with one number for each dimension.
_PER_DIMENSION = ("strides", "ksize", "dilations")
_PADDINGS = "explicit_paddings"  # two for each
_INT32, _FLOAT = 3, 1


def channels_last(graph: Any) -> Any:
    """A `GraphDef` in which each operation in NCHW is one in NHWC between two transposes.
    OperationRefused if its window comes as a tensor."""
    from tensorflow.core.framework import graph_pb2

    new = graph_pb2.GraphDef(versions=graph.versions)
    renamed: dict[str, str] = {}
    for node in graph.node:
        copy = new.node.add()
        copy.CopyFrom(node)
        copy.input[:] = [renamed.get(name, name) for name in node.input]
        if node.attr["data_format"].s == _FIRST:
            _turn(new, copy)
            renamed[node.name] = renamed[f"{node.name}:0"] = f"{node.name}/nchw:0"
    return new


def _turn(graph: Any, node: Any) -> None:
    if node.op == "MaxPoolV2":
        raise OperationRefused(node.op, node.name, "takes its window as a tensor, in NCHW")
    node.attr["data_format"].s = _LAST
    for name in _PER_DIMENSION:
        if name in node.attr and len(node.attr[name].list.i) == len(_TO_LAST):
            values = list(node.attr[name].list.i)
            node.attr[name].list.i[:] = [values[place] for place in _TO_LAST]
    if _PADDINGS in node.attr and len(node.attr[_PADDINGS].list.i) == 2 * len(_TO_LAST):
        pairs = list(node.attr[_PADDINGS].list.i)
        turned = [pairs[2 * place + side] for place in _TO_LAST for side in (0, 1)]
        node.attr[_PADDINGS].list.i[:] = turned
    node.input[0] = _transposed(graph, f"{node.name}/nhwc", node.input[0], _TO_LAST)
    _transposed(graph, f"{node.name}/nchw", node.name, _TO_FIRST)


def _transposed(graph: Any, name: str, tensor: str, order: tuple[int, ...]) -> str:
    from tensorflow.python.framework import tensor_util

    constant = graph.node.add(name=f"{name}/order", op="Const")
    constant.attr["dtype"].type = _INT32
    constant.attr["value"].tensor.CopyFrom(tensor_util.make_tensor_proto(list(order)))
    node = graph.node.add(name=name, op="Transpose", input=[tensor, constant.name])
    node.attr["T"].type = _FLOAT
    node.attr["Tperm"].type = _INT32
    return f"{name}:0"
