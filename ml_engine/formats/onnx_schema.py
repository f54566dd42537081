"""The parts of ONNX's format that are read here, after onnx.proto (Apache-2.0), version 1.17."""

from __future__ import annotations

from functools import cache
from typing import Any

from ml_engine.formats.messages import Messages, message_classes

_MESSAGES: Messages = {
    "ModelProto": {
        "ir_version": (1, "int64"),
        "graph": (7, "GraphProto"),
        "opset_import": (8, "OperatorSetIdProto*"),
        "functions": (25, "FunctionProto*"),
    },
    "OperatorSetIdProto": {"domain": (1, "string"), "version": (2, "int64")},
    "FunctionProto": {"name": (1, "string")},
    "GraphProto": {
        "node": (1, "NodeProto*"),
        "name": (2, "string"),
        "initializer": (5, "TensorProto*"),
        "input": (11, "ValueInfoProto*"),
        "output": (12, "ValueInfoProto*"),
        "sparse_initializer": (15, "SparseTensorProto*"),
    },
    "NodeProto": {
        "input": (1, "string*"),
        "output": (2, "string*"),
        "name": (3, "string"),
        "op_type": (4, "string"),
        "attribute": (5, "AttributeProto*"),
        "domain": (7, "string"),
    },
    "AttributeProto": {
        "name": (1, "string"),
        "f": (2, "float"),
        "i": (3, "int64"),
        "s": (4, "bytes"),
        "t": (5, "TensorProto"),
        "g": (6, "GraphProto"),
        "floats": (7, "float*"),
        "ints": (8, "int64*"),
        "strings": (9, "bytes*"),
        "tensors": (10, "TensorProto*"),
        "graphs": (11, "GraphProto*"),
        "type": (20, "int32"),
        "sparse_tensor": (22, "SparseTensorProto"),
        "sparse_tensors": (23, "SparseTensorProto*"),
    },
    "SparseTensorProto": {"dims": (3, "int64*")},
    "StringStringEntryProto": {"key": (1, "string"), "value": (2, "string")},
    "TensorProto": {
        "dims": (1, "int64*"),
        "data_type": (2, "int32"),
        "float_data": (4, "float*"),
        "name": (8, "string"),
        "raw_data": (9, "bytes"),
        "external_data": (13, "StringStringEntryProto*"),
        "data_location": (14, "int32"),
    },
    "ValueInfoProto": {"name": (1, "string"), "type": (2, "TypeProto")},
    "TypeProto": {"tensor_type": (1, "TensorTypeProto")},
    "TensorTypeProto": {"elem_type": (1, "int32"), "shape": (2, "TensorShapeProto")},
    "TensorShapeProto": {"dim": (1, "Dimension*")},
    "Dimension": {"dim_value": (1, "int64"), "dim_param": (2, "string")},
}


def message_class(name: str) -> Any:
    return _classes()[name]


@cache
def _classes() -> dict[str, Any]:
    # Lists of numbers are packed, but in attributes.
    return message_classes("facerec_onnx", _MESSAGES, unpacked=("AttributeProto",))
