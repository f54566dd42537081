"""A TensorFlow graph as it comes out of a file, whatever the file was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml_engine.types import ModelRefused


@dataclass(frozen=True, slots=True)
class GraphSource:
    """graph: a `GraphDef` with its function library. read_variable: the value of the variable whose
    node has this name, or KeyError. shapes: of the variables. inputs, outputs: tensors of the
    serving signature, if the file has one. main_nodes: nodes that TensorFlow runs when it loads the
    file."""

    graph: Any
    read_variable: Callable[[str], NDArray[Any]]
    shapes: Mapping[str, list[int]] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    main_nodes: tuple[str, ...] = ()

    @property
    def nodes(self) -> dict[str, Any]:
        return {node.name: node for node in self.graph.node}


def tensor_place(tensor: str) -> tuple[str, int]:
    """`name:1` to its node and output; `name` is the node's first output."""
    name, _, output = tensor.partition(":")
    if output and not output.isdigit():
        raise ModelRefused(f"{tensor!r} is no tensor; write name:0.")
    return name, int(output or 0)


def data_inputs(node: Any) -> list[str]:
    """The inputs of a node, without the nodes that only run before it."""
    return [name for name in node.input if not name.startswith("^")]


def control_inputs(node: Any) -> list[str]:
    """Names of the nodes that run before a node without giving it anything."""
    return [name[1:] for name in node.input if name.startswith("^")]


def called_functions(node: Any) -> list[str]:
    """Names of the functions that a node calls or branches to."""
    values = list(node.attr.values())
    named = [value.func.name for value in values if value.HasField("func")]
    return named + [each.name for value in values for each in value.list.func]


def static_shape(node: Any, output: int) -> list[int] | None:
    """The shape that a node tells of one of its outputs; -1 is free. None if it tells none."""
    if "shape" in node.attr and node.op.startswith("Placeholder"):
        shape = node.attr["shape"].shape
    elif "_output_shapes" in node.attr and len(node.attr["_output_shapes"].list.shape) > output:
        shape = node.attr["_output_shapes"].list.shape[output]
    else:
        return None
    return None if shape.unknown_rank else [dim.size for dim in shape.dim]


def output_index(op_def: Any, node: Any, name: str, number: int) -> int:
    """The place of output `name`, its `number`-th tensor, among all outputs of a node."""
    place = 0
    for output in op_def.output_arg:
        if output.name == name:
            return place + number
        place += _width(output, node)
    raise ModelRefused(f"{node.op} (node {node.name!r}) has no output {name!r}.")


def output_count(op_def: Any, node: Any) -> int:
    """At least this many outputs has a node."""
    return output_index(op_def, node, op_def.output_arg[-1].name, 0) + 1


def _width(output: Any, node: Any) -> int:
    if output.number_attr:
        return int(node.attr[output.number_attr].i)
    if output.type_list_attr:
        return len(node.attr[output.type_list_attr].list.type)
    return 1


def constant_of(tensor: Any, what: str) -> NDArray[Any]:
    """The array of a `TensorProto`, if it is small enough and holds numbers."""
    from tensorflow.python.framework import dtypes, tensor_util

    from ml_engine.formats.bounds import check_tensor

    dtype = dtypes.as_dtype(tensor.dtype)
    if not (dtype.is_floating or dtype.is_integer or dtype.is_bool):
        raise ModelRefused(f"{what} holds {dtype.name}; numbers are allowed.")
    check_tensor(what, [dim.size for dim in tensor.tensor_shape.dim], dtype.size)
    return np.asarray(tensor_util.MakeNdarray(tensor))
