"""TFLite files, read through the schema of their format and never by an interpreter."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ml_engine.formats.bounds import MAX_NODES, check_tensor
from ml_engine.formats.operations import OperationRefused, names
from ml_engine.formats.sizes import TFLITE, Step, check_sizes
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
_FLOAT32 = 0
# Bits of one number, by the type of a tensor. Text, state and complex numbers are not among them.
_BITS = {0: 32, 1: 16, 2: 32, 3: 8, 4: 64, 6: 8, 7: 16, 9: 8, 10: 64, 12: 64, 15: 32, 16: 16, 17: 4}
# Operations may leave out inputs from here on (a bias), written as -1.
_FIRST_OPTIONAL = 2
_ALIGNMENT = 16


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
        """The file that ends at this tensor, written anew from what was checked: LiteRT verifies
        nothing, and could read the user's bytes in another way."""
        graph = self.model.subgraphs[0]
        graph.outputs = [output]
        needed, kept = {output}, []
        for operator in reversed(graph.operators):
            if needed & set(operator.outputs):
                needed |= set(operator.inputs)
                kept.append(operator)
        graph.operators = kept[::-1]
        self.model.signatureDefs = []
        return _packed(self.model)


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


def _packed(model: Any) -> bytes:
    import flatbuffers

    class Builder(flatbuffers.Builder):
        """Kernels read constants as numbers of several bytes, and must find them aligned."""

        def StartVector(self, size: int, count: int, alignment: int) -> Any:
            return super().StartVector(size, count, max(alignment, _ALIGNMENT))

    builder = Builder((1 << 20) + sum(_length(buffer) for buffer in model.buffers))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _checked(model: Any) -> TfliteFile:
    if len(model.subgraphs) != 1:
        raise ModelRefused(f"The file has {len(model.subgraphs)} graphs; a network is one.")
    graph = model.subgraphs[0]
    names = [_operation(code) for code in model.operatorCodes]
    found = tuple(names[operator.opcodeIndex] for operator in graph.operators)
    for name, operator in zip(found, graph.operators, strict=True):
        if name not in ALLOWED:
            at = _text(graph.tensors[operator.outputs[0]].name) if len(operator.outputs) else ""
            raise OperationRefused(name, at)
    is_elsewhere = any(buffer.offset > 1 for buffer in model.buffers)
    if is_elsewhere or model.externalBuffers or model.externalBufferGroups:
        raise ModelRefused("A buffer lies outside of the file's tables.")
    for tensor in graph.tensors:
        _check_tensor(tensor, _length(model.buffers[tensor.buffer]))
    tensors = tuple((_text(tensor.name), _free_shape(tensor)) for tensor in graph.tensors)
    inputs, outputs = (tuple(map(int, ends)) for ends in (graph.inputs, graph.outputs))
    file = TfliteFile(model, tensors, inputs, outputs, found)
    constants = {
        number
        for number, tensor in enumerate(graph.tensors)
        if _length(model.buffers[tensor.buffer]) or 0 in _list(tensor.shape)
    }
    check_sizes(_steps(file, constants), {*constants, -1}, TFLITE)
    return file


def _check_tensor(tensor: Any, length: int) -> None:
    """length: of its constant in bytes. LiteRT does not compare it with the shape if the tensor is
    sparse or lies elsewhere."""
    name, shape = _text(tensor.name), [int(side) for side in _list(tensor.shape)]
    if tensor.type not in _BITS or tensor.isVariable or tensor.variantTensors:
        raise ModelRefused(f"Tensor {name} holds text or state; numbers are allowed.")
    if tensor.sparsity is not None or tensor.externalBuffer:
        raise ModelRefused(f"Tensor {name} is sparse, or lies outside of the file's tables.")
    if tensor.quantization is not None and tensor.quantization.detailsType:
        raise ModelRefused(f"Tensor {name} is quantised in a way that is not read here.")
    check_tensor(f"Tensor {name}", shape, 4)
    if length and length != (prod(shape) * _BITS[tensor.type] + 7) // 8:
        raise ModelRefused(f"Tensor {name} has another size than its {length} bytes.")


def _steps(file: TfliteFile, constants: set[int]) -> Iterator[Step]:
    """Operations in their order. ModelRefused if one takes a tensor that no operation made before
    it, or writes over one."""
    known = constants | set(file.inputs)
    if constants.intersection(file.inputs):
        raise ModelRefused("An input of the network is a constant.")
    operators = file.model.subgraphs[0].operators
    for name, operator in zip(file.operations, operators, strict=True):
        takes, gives = (list(map(int, _list(ends))) for ends in (operator.inputs, operator.outputs))
        needed = {one for place, one in enumerate(takes) if one != -1 or place < _FIRST_OPTIONAL}
        new = set(gives) - known
        if not needed <= known or not gives or len(new) != len(gives):
            raise ModelRefused(f"An operation {name} takes or gives a tensor that it must not.")
        known |= new
        yield Step(name, file.tensors[gives[0]][0], takes, gives)
    if not known.issuperset(file.outputs) or not known <= set(range(len(file.tensors))):
        raise ModelRefused("The network names a tensor that is not there.")


def _free_shape(tensor: Any) -> tuple[int, ...]:
    """-1 is free."""
    return tuple(int(side) for side in _list(tensor.shapeSignature) or _list(tensor.shape))


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


def _length(buffer: Any) -> int:
    return 0 if buffer.data is None else len(buffer.data)
