"""Dropout of TensorFlow 1, which draws random numbers also if it keeps everything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_engine.formats.convert import Converted, convert
from ml_engine.formats.files import ModelFile
from ml_engine.formats.operations import OperationRefused
from ml_engine.formats.wish import Wish
from ml_engine.zoo import Preprocessing
from ml_engine.zoo.own import PreparedNetwork, file_network
from tests.ml_engine.formats.hostile import FLOAT, INT32, constant, graph, placeholder
from tests.ml_engine.formats.networks import SIZE

pytestmark = pytest.mark.tensorflow

_BOOL = 10
_OF_FLOATS = {"T": FLOAT}
_KEPT = {"keep": 1.0}


def _op(name: str, operation: str, *inputs: str, **attributes: int) -> Any:
    return name, operation, list(inputs), attributes or _OF_FLOATS


def _dropout(kind: str, drawn_like: str = "pooled") -> list[Any]:
    """The means of a picture behind dropout, as `tf.nn.dropout` of different years made it."""
    nodes = [
        placeholder(),
        constant("axes", [1, 2]),
        constant("zero", 0.0),
        constant("one", 1.0),
        ("keep", "Placeholder", [], {"dtype": FLOAT}),
        ("pooled", "Mean", ["input", "axes"], {"T": FLOAT, "Tidx": INT32}),
        _op("sides", "Shape", drawn_like, T=FLOAT, out_type=INT32),
        _op("drawn", "RandomUniform", "sides", T=INT32, dtype=FLOAT),
        _op("range", "Sub", "one", "zero"),
        _op("ranged", "Mul", "drawn", "range"),
        _op("uniform", "Add", "ranged", "zero"),
        _op("divided", "RealDiv", "pooled", "keep"),
        _op("rate", "Sub", "one", "keep"),
    ]
    kept = _op("kept", "GreaterEqual", "uniform", "rate")
    if kind == "floor":
        nodes += [_op("shifted", "Add", "keep", "uniform"), _op("mask", "Floor", "shifted")]
        nodes.append(_op("embeddings", "Mul", "divided", "mask"))
    elif kind == "compare":
        nodes += [kept, _op("mask", "Cast", "kept", SrcT=_BOOL, DstT=FLOAT)]
        nodes.append(_op("embeddings", "Mul", "divided", "mask"))
    elif kind == "select":
        nodes += [kept, _op("embeddings", "SelectV2", "kept", "divided", "zero")]
    else:  # noise that is added
        nodes.append(_op("embeddings", "Add", "pooled", "uniform"))
    return nodes


def _converted(folder: Path, nodes: list[Any], values: dict[str, float]) -> Converted:
    path = folder / "made.pb"
    path.write_bytes(graph(*nodes).SerializeToString())
    return convert(ModelFile(path, "frozen_graph"), Wish(values=values))


def _answer(made: Converted, folder: Path, faces: Any) -> Any:
    (folder / "made.tflite").write_bytes(made.network)
    inner = file_network("litert", folder / "made.tflite", threads=1)
    return PreparedNetwork(inner, Preprocessing(0.0, 1.0), made.ends.layout).run(faces)[0]


@pytest.mark.parametrize("kind", ["floor", "compare", "select"])
def test_dropout_that_keeps_everything_is_folded_away(kind: str, tmp_path: Path) -> None:
    made = _converted(tmp_path, _dropout(kind), _KEPT)
    assert not {"RandomUniform", "Floor", "GreaterEqual", "SelectV2"} & set(made.counts)
    faces = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), np.uint8)
    found = _answer(made, tmp_path, faces)
    np.testing.assert_allclose(found, faces.mean((1, 2)), rtol=1e-5)


@pytest.mark.parametrize(
    ("kind", "values", "drawn_like"),
    [
        ("floor", {"keep": 0.5}, "pooled"),
        ("compare", {"keep": 0.999}, "pooled"),
        ("select", {"keep": 0.5}, "pooled"),
        ("added", _KEPT, "pooled"),
        # Ones of another shape would spread the vectors over the pixels.
        ("floor", _KEPT, "input"),
        ("select", _KEPT, "input"),
    ],
)
def test_random_numbers_that_may_reach_the_output_are_refused(
    kind: str, values: dict[str, float], drawn_like: str, tmp_path: Path
) -> None:
    with pytest.raises(OperationRefused, match=r"RandomUniform \(node 'drawn'\)"):
        _converted(tmp_path, _dropout(kind, drawn_like), values)


def test_random_numbers_of_a_constant_shape_are_refused(tmp_path: Path) -> None:
    nodes = [
        each if each[0] != "sides" else constant("sides", [1, 3]) for each in _dropout("floor")
    ]
    with pytest.raises(OperationRefused, match=r"RandomUniform \(node 'drawn'\)"):
        _converted(tmp_path, nodes, _KEPT)


def test_random_numbers_as_the_output_are_refused(tmp_path: Path) -> None:
    nodes = [
        each if each[0] != "embeddings" else _op("embeddings", "Floor", "uniform")
        for each in _dropout("floor")
    ]
    with pytest.raises(OperationRefused, match="RandomUniform"):
        _converted(tmp_path, nodes, _KEPT)


def test_dropout_as_tensorflow_writes_it_is_folded_away(tmp_path: Path) -> None:
    import tensorflow as tf

    v1 = tf.compat.v1
    with tf.Graph().as_default() as made:
        images = v1.placeholder(tf.float32, (None, SIZE, SIZE, 3), "input")
        keep = v1.placeholder(tf.float32, (), "keep")
        pooled = tf.reduce_mean(images, [1, 2])
        tf.identity(v1.nn.dropout(pooled, keep_prob=keep), "embeddings")
    assert any(node.op == "RandomUniform" for node in made.as_graph_def().node)
    path = tmp_path / "made.pb"
    path.write_bytes(made.as_graph_def().SerializeToString())
    file = ModelFile(path, "frozen_graph")
    folded = convert(file, Wish(values=_KEPT))
    assert "RandomUniform" not in folded.counts
    with pytest.raises(OperationRefused, match="RandomUniform"):
        convert(file, Wish(values={"keep": 0.9}))
