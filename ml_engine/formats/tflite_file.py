"""TFLite files, read through the schema of their format and never by an interpreter."""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ml_engine.formats.bounds import MAX_NODES, check_tensor
from ml_engine.formats.fold import OperationRefused
from ml_engine.formats.operations import names
from ml_engine.types import ModelRefused

# Arithmetic, as in `operations`: nothing that keeps state, branches, calls or draws numbers.
ALLOWED = names(
    """
    ABS ADD ADD_N ARG_MAX AVERAGE_POOL_2D BATCH_MATMUL BATCH_TO_SPACE_ND CAST CEIL CONCATENATION
    CONV_2D COS DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE DIV ELU EQUAL EXP EXPAND_DIMS FLOOR
    FLOOR_DIV FLOOR_MOD FULLY_CONNECTED GATHER GELU GREATER GREATER_EQUAL HARD_SWISH
    L2_NORMALIZATION L2_POOL_2D LEAKY_RELU LESS LESS_EQUAL LOCAL_RESPONSE_NORMALIZATION LOG
    LOGICAL_AND LOGICAL_NOT LOGICAL_OR LOGISTIC LOG_SOFTMAX MAXIMUM MAX_POOL_2D MEAN MINIMUM
    MIRROR_PAD MUL NEG NOT_EQUAL PACK PAD PADV2 POW PRELU QUANTIZE RANK REDUCE_MAX REDUCE_MIN
    REDUCE_PROD RELU RELU6 RELU_0_TO_1 RELU_N1_TO_1 RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR
    REVERSE_V2 ROUND RSQRT SELECT SELECT_V2 SHAPE SIGN SIN SLICE SOFTMAX SPACE_TO_BATCH_ND
    SPACE_TO_DEPTH SPLIT SPLIT_V SQRT SQUARE SQUARED_DIFFERENCE SQUEEZE STRIDED_SLICE SUB SUM TANH
    TRANSPOSE TRANSPOSE_CONV UNPACK ZEROS_LIKE
    """
)
_CUSTOM = 32
_FLOAT32, _STRING, _RESOURCE, _VARIANT = 0, 5, 13, 14


@dataclass(frozen=True, slots=True)
class TfliteFile:
    """model: as objects. tensors: names and shapes; -1 is free. operations: in their order."""

    model: Any
    tensors: tuple[tuple[str, tuple[int, ...]], ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    operations: tuple[str, ...]

    @property
    def counts(self) -> dict[str, int]:
        return dict(Counter(self.operations))

    def number_of(self, name: str) -> int:
        """The number of a tensor; ModelRefused if there is none of this name."""
        plain = name.removesuffix(":0")
        for number, (found, _) in enumerate(self.tensors):
            if found in (name, plain):
                return number
        raise ModelRefused(f"There is no tensor {name!r} in this file.")

    def cut(self, output: int) -> bytes:
        """The file with another tensor as its output, without what comes after it."""
        import flatbuffers

        graph = self.model.subgraphs[0]
        graph.outputs = [output]
        needed, kept = {output}, []
        for operator in reversed(graph.operators):
            if needed & set(operator.outputs):
                needed |= set(operator.inputs)
                kept.append(operator)
        graph.operators = kept[::-1]
        self.model.signatureDefs = []
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def read_tflite(path: Path) -> TfliteFile:
    """Read and check a file.

    Raises:
        OperationRefused: an operation is not allowed, or is the file's own.
        ModelRefused: it is damaged, too large, or no network with one input.
    """
    content = path.read_bytes()
    try:
        _check_lengths(content)
        model = _schema().ModelT.InitFromPackedBuf(content, 0)
        return _checked(model)
    except ModelRefused:
        raise
    # The reader follows offsets that a damaged file may place anywhere.
    except (struct.error, IndexError, TypeError, ValueError, AttributeError, MemoryError) as error:
        raise ModelRefused(f"{path.name} is damaged or not complete.") from error


def _schema() -> Any:
    from ai_edge_litert import schema_py_generated

    return schema_py_generated


def _check_lengths(content: bytes) -> None:
    """Before everything is made an object: lists that claim more than the file can hold."""
    model = _schema().Model.GetRootAs(content, 0)
    counts = [model.OperatorCodesLength(), model.SubgraphsLength(), model.BuffersLength()]
    for number in range(min(model.SubgraphsLength(), 8)):
        graph = model.Subgraphs(number)
        counts += [graph.TensorsLength(), graph.OperatorsLength()]
    if max(counts) > min(MAX_NODES, len(content)):
        raise ModelRefused("A list of this file is longer than the file.")
    for number in range(model.BuffersLength()):
        if model.Buffers(number).DataLength() > len(content):
            raise ModelRefused(f"Buffer {number} is larger than the file.")


def _checked(model: Any) -> TfliteFile:
    if len(model.subgraphs) != 1:
        raise ModelRefused(f"The file has {len(model.subgraphs)} graphs; a network is one.")
    graph = model.subgraphs[0]
    names = [_operation(code) for code in model.operatorCodes]
    for operator in graph.operators:
        name = names[operator.opcodeIndex]
        if name not in ALLOWED:
            at = _text(graph.tensors[operator.outputs[0]].name) if len(operator.outputs) else ""
            raise OperationRefused(name, at)
    for buffer in model.buffers:
        if getattr(buffer, "offset", 0) > 1:
            raise ModelRefused("A buffer lies outside of the file's tables.")
    tensors = []
    for tensor in graph.tensors:
        name, shape = _text(tensor.name), tuple(int(side) for side in _list(tensor.shape))
        if tensor.type in (_STRING, _RESOURCE, _VARIANT) or tensor.isVariable:
            raise ModelRefused(f"Tensor {name} holds text or state; numbers are allowed.")
        check_tensor(f"Tensor {name}", shape, 4)
        signature = [int(side) for side in _list(getattr(tensor, "shapeSignature", None))]
        tensors.append((name, tuple(signature or shape)))
    found = tuple(names[operator.opcodeIndex] for operator in graph.operators)
    inputs, outputs = (tuple(map(int, ends)) for ends in (graph.inputs, graph.outputs))
    return TfliteFile(model, tuple(tensors), inputs, outputs, found)


def is_float(file: TfliteFile, tensor: int) -> bool:
    return bool(file.model.subgraphs[0].tensors[tensor].type == _FLOAT32)


def _operation(code: Any) -> str:
    """The name of an operation; of a custom one, its own."""
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    if number == _CUSTOM:
        return f"{_text(code.customCode) or 'CUSTOM'} (custom)"
    known = {value: name for name, value in vars(_schema().BuiltinOperator).items()}
    return str(known.get(number, number))


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value or "")


def _list(value: Any) -> list[int]:
    return [] if value is None else list(np.asarray(value).reshape(-1))
