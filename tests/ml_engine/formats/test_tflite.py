"""TFLite files as their schema's objects: LiteRT verifies nothing, so everything is checked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ai_edge_litert import schema_py_generated as schema

from ml_engine.formats.convert import convert
from ml_engine.formats.files import ModelFile
from ml_engine.formats.operations import OperationRefused
from ml_engine.formats.tflite_file import read_tflite
from ml_engine.formats.wish import Wish
from ml_engine.types import ModelRefused
from tests.ml_engine.formats import hostile
from tests.own_models import tiny_tflite

POOLED, SIDES, VECTOR = 1, 2, 3


def _sparse(model: Any) -> None:
    model.subgraphs[0].tensors[SIDES].sparsity = schema.SparsityParametersT()


def _external_tensor(model: Any) -> None:
    model.subgraphs[0].tensors[SIDES].externalBuffer = 1


def _external_group(model: Any) -> None:
    group = schema.ExternalBufferGroupT()
    group.name = "/etc/hostname"
    model.externalBufferGroups = [group]


def _short_constant(model: Any) -> None:
    model.buffers[1].data = model.buffers[1].data[:4]


def _blockwise(model: Any) -> None:
    quantization = schema.QuantizationParametersT()
    quantization.detailsType = schema.QuantizationDetails.BlockwiseQuantization
    quantization.details = schema.BlockwiseQuantizationT()
    model.subgraphs[0].tensors[SIDES].quantization = quantization


def _unknown_tensor(number: int) -> Callable[[Any], None]:
    def alter(model: Any) -> None:
        model.subgraphs[0].operators[0].inputs = [number]

    return alter


def _unknown_output(model: Any) -> None:
    model.subgraphs[0].outputs = [9]


def _written_constant(model: Any) -> None:
    model.subgraphs[0].operators[0].outputs = [SIDES]


def _never_made(model: Any) -> None:
    del model.subgraphs[0].operators[0]


def _sized_by_the_picture(model: Any) -> None:
    graph, code, cast = model.subgraphs[0], schema.OperatorCodeT(), schema.OperatorT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CAST
    model.operatorCodes.append(code)
    graph.tensors[SIDES].buffer = 0
    cast.opcodeIndex, cast.inputs, cast.outputs = 2, [POOLED], [SIDES]
    graph.operators.insert(1, cast)


@pytest.mark.parametrize(
    ("alter", "reason"),
    [
        (_sparse, "sparse"),
        (_external_tensor, "outside of the file"),
        (_external_group, "outside of the file"),
        (_short_constant, "sides has another size than its 4 bytes"),
        (_blockwise, "quantised"),
        (_unknown_tensor(9), "must not"),
        (_unknown_tensor(-1), "must not"),
        (_unknown_tensor(-4), "must not"),
        (_unknown_output, "not there"),
        (_written_constant, "must not"),
        (_never_made, "must not"),
    ],
)
def test_tflite_file_that_would_be_read_outside_of_its_tensors_is_refused(
    tmp_path: Path, alter: Callable[[Any], None], reason: str
) -> None:
    good = tiny_tflite(tmp_path / "tiny.tflite")
    assert read_tflite(good).outputs == (VECTOR,)
    with pytest.raises(ModelRefused, match=reason):
        read_tflite(hostile.altered_tflite(good, tmp_path / "evil.tflite", alter))


def test_tflite_file_whose_sizes_depend_on_the_picture_is_refused(tmp_path: Path) -> None:
    good = tiny_tflite(tmp_path / "tiny.tflite")
    evil = hostile.altered_tflite(good, tmp_path / "evil.tflite", _sized_by_the_picture)
    with pytest.raises(OperationRefused, match=r"RESHAPE \(node 'vector'\) takes a size"):
        read_tflite(evil)


def test_kept_tflite_file_is_written_anew_with_its_constants_aligned(tmp_path: Path) -> None:
    path = tiny_tflite(tmp_path / "tiny.tflite")
    path.write_bytes(path.read_bytes() + b"what nobody checked")
    (kept := tmp_path / "kept.tflite").write_bytes(
        convert(ModelFile(path, "tflite"), Wish()).network
    )
    assert b"what nobody checked" not in kept.read_bytes()
    sides = read_tflite(kept).model.buffers[1].data.tobytes()
    assert kept.read_bytes().index(sides) % 16 == 0
