"""A model file that takes no TensorFlow to make or to load."""

from __future__ import annotations

import atexit
import shutil
import struct
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from ml_engine.formats import convert_file
from ml_engine.formats.isolation import Converted

SIZE, DIMENSION = 32, 48


def keep_tiny(weights_dir: Path) -> Converted:
    """Put the network of `tiny_tflite` into a folder of weights, as `convert_file` does; but it is
    converted only once, because that takes a second."""
    kept, made = _converted()
    shutil.copytree(kept / made.folder, weights_dir / made.folder, dirs_exist_ok=True)
    return made


@cache
def _converted() -> tuple[Path, Converted]:
    folder = Path(tempfile.mkdtemp(prefix="facerec-tiny-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder, convert_file(tiny_tflite(folder / "own.tflite"), folder)


def tiny_tflite(path: Path) -> Path:
    """A file of a network: the mean colours of 4 x 4 parts of a face, one vector of 48."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    def tensor(name: str, shape: list[int], kind: int = 0, buffer: int = 0) -> Any:
        made = schema.TensorT()
        made.name, made.shape, made.type, made.buffer = name, shape, kind, buffer
        if name != "sides":
            made.shapeSignature = [-1, *shape[1:]]
        return made

    def operator(code: int, inputs: list[int], output: int, kind: int, options: Any) -> Any:
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs, made.outputs = code, inputs, [output]
        made.builtinOptionsType, made.builtinOptions = kind, options
        return made

    def operator_code(number: int) -> Any:
        made = schema.OperatorCodeT()
        made.builtinCode = made.deprecatedBuiltinCode = number
        made.version = 1
        return made

    pool = schema.Pool2DOptionsT()
    pool.padding = 1
    pool.strideW = pool.strideH = pool.filterWidth = pool.filterHeight = SIZE // 4
    reshape = schema.ReshapeOptionsT()
    reshape.newShape = [-1, DIMENSION]
    empty, sides = schema.BufferT(), schema.BufferT()
    sides.data = list(struct.pack("<ii", -1, DIMENSION))
    graph = schema.SubGraphT()
    graph.tensors = [
        tensor("pixels", [1, SIZE, SIZE, 3]),
        tensor("pooled", [1, 4, 4, 3]),
        tensor("sides", [2], schema.TensorType.INT32, 1),
        tensor("vector", [1, DIMENSION]),
    ]
    graph.inputs, graph.outputs = [0], [3]
    graph.operators = [
        operator(0, [0], 1, schema.BuiltinOptions.Pool2DOptions, pool),
        operator(1, [1, 2], 3, schema.BuiltinOptions.ReshapeOptions, reshape),
    ]
    model = schema.ModelT()
    model.version = 3
    model.operatorCodes = [
        operator_code(schema.BuiltinOperator.AVERAGE_POOL_2D),
        operator_code(schema.BuiltinOperator.RESHAPE),
    ]
    model.subgraphs, model.buffers = [graph], [empty, sides]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(builder.Output())
    return path
