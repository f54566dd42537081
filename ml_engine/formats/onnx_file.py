"""ONNX files, read as messages and never by a runtime."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml_engine.formats.bounds import check_tensor
from ml_engine.formats.onnx_schema import message_class
from ml_engine.formats.operations import OperationRefused, names
from ml_engine.formats.sizes import ONNX, Step, check_sizes
from ml_engine.types import ModelRefused

# Arithmetic, as in `operations`.
ALLOWED = names(
    """
    Abs Add ArgMax AveragePool BatchNormalization Cast Ceil Clip Concat Constant Conv ConvTranspose
    Cos DepthToSpace DequantizeLinear Div Dropout Einsum Elu Equal Erf Exp Flatten Floor Gather
    Gelu Gemm GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual HardSigmoid HardSwish Identity
    InstanceNormalization LRN LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax
    LpNormalization MatMul Max MaxPool Mean Min Mish Mod Mul Neg Not Or And PRelu Pad Pow
    QuantizeLinear Reciprocal ReduceL2 ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum
    ReduceSumSquare Relu Reshape Resize Round Selu Shape Sigmoid Sign Slice Softmax Softplus
    Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Tanh Transpose Unsqueeze Upsample Where
    """
)
_DOMAINS = ("", "ai.onnx")
_FLOAT, _TEXT, _EXTERNAL = 1, 8, 1


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """model: a `ModelProto`. inputs: names and shapes of those without a value of their own."""

    model: Any
    inputs: tuple[tuple[str, tuple[int, ...], int], ...]
    outputs: tuple[str, ...]
    counts: dict[str, int]

    def cut(self, output: str) -> bytes:
        """The file with one output; nodes that only come after it are left out."""
        graph = self.model.graph
        needed, kept = {output}, []
        for node in reversed(graph.node):
            if needed & set(node.output):
                needed |= set(node.input)
                kept.append(node)
        if not kept:
            raise ModelRefused(f"There is no tensor {output!r} in this file.")
        told = [value for value in graph.output if value.name == output]
        del graph.node[:], graph.output[:]
        graph.node.extend(kept[::-1])
        if told:
            graph.output.extend(told)
        else:
            graph.output.add(name=output).type.tensor_type.elem_type = _FLOAT
        return bytes(self.model.SerializeToString())


def read_onnx(path: Path) -> OnnxFile:
    """Read and check a file.

    Raises:
        OperationRefused: an operation is not allowed.
        ModelRefused: it is damaged, too large, or keeps values in other files.
    """
    from google.protobuf.message import DecodeError

    model = message_class("ModelProto")()
    try:
        model.ParseFromString(path.read_bytes())
    except DecodeError as error:
        raise ModelRefused(f"{path.name} is damaged or not complete.") from error
    graph = model.graph
    if not graph.node:
        raise ModelRefused(f"{path.name} holds no network.")
    if model.functions:
        raise OperationRefused(model.functions[0].name, "functions", "is the file's own")
    for node in graph.node:
        if node.op_type not in ALLOWED or node.domain not in _DOMAINS:
            name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
            raise OperationRefused(name, node.name or ", ".join(node.output))
    for tensor in _tensors(graph):
        _check_tensor(tensor)
    values = {tensor.name for tensor in graph.initializer}
    # An input that is left out has an empty name.
    check_sizes(_steps(graph), {*values, ""}, ONNX)
    return OnnxFile(
        model,
        tuple(_described(value) for value in graph.input if value.name not in values),
        tuple(value.name for value in graph.output),
        dict(Counter(node.op_type for node in graph.node)),
    )


def _steps(graph: Any) -> Iterator[Step]:
    for node in graph.node:
        yield Step(node.op_type, node.name or ", ".join(node.output), node.input, node.output)


def _tensors(graph: Any) -> Iterator[Any]:
    if graph.sparse_initializer:
        raise ModelRefused("The file holds sparse tensors, which are not read.")
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g") or attribute.graphs:
                raise OperationRefused(node.op_type, node.name, "holds a graph of its own")
            if attribute.HasField("sparse_tensor") or attribute.sparse_tensors:
                raise OperationRefused(node.op_type, node.name, "holds a sparse tensor")
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def _check_tensor(tensor: Any) -> None:
    name = f"Tensor {tensor.name!r}"
    if tensor.data_location == _EXTERNAL or tensor.external_data:
        where = {entry.key: entry.value for entry in tensor.external_data}.get("location", "")
        raise ModelRefused(f"{name} lies in another file, {where!r}: save the model as one file.")
    if tensor.data_type == _TEXT:
        raise ModelRefused(f"{name} holds text; numbers are allowed.")
    check_tensor(name, tensor.dims, 4)


def _described(value: Any) -> tuple[str, tuple[int, ...], int]:
    kind = value.type.tensor_type
    shape = tuple(
        int(side.dim_value) if side.HasField("dim_value") else -1 for side in kind.shape.dim
    )
    return value.name, shape, int(kind.elem_type)
