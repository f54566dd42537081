"""One network in every format gives the same embeddings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ml_engine.embedding.base import unit
from ml_engine.formats.convert import Converted, convert
from ml_engine.formats.files import open_model
from ml_engine.formats.inspection import inspect
from ml_engine.formats.wish import Wish
from ml_engine.zoo import Preprocessing
from ml_engine.zoo.own import NETWORK_FILES, PreparedNetwork, file_network
from tests.ml_engine.formats.networks import DIMENSION, FACENET, SIZE, SOURCES

pytestmark = pytest.mark.tensorflow


def _network(made: Converted, folder: Path) -> PreparedNetwork:
    path = folder / NETWORK_FILES[made.runtime]
    path.write_bytes(made.network)
    batches = (made.batch,) if made.batch else (1, 2, 4, 8)
    inner = file_network(made.runtime, path, batches=batches, threads=1)
    return PreparedNetwork(inner, Preprocessing(), made.ends.layout)


def _converted(path: Path, scratch: Path, wish: Wish | None = None) -> Converted:
    (scratch / "unpacked").mkdir(exist_ok=True)
    return convert(open_model(path, scratch / "unpacked"), wish or Wish())


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_gives_the_maker_s_embeddings(
    files: Path, tmp_path: Path, source: str
) -> None:
    expected = np.load(files / "expected.npz")
    network = _network(_converted(files / SOURCES[source], tmp_path), tmp_path)
    for order in ([4], [7, 0, 3], [2, 1, 5, 6, 0, 3, 7, 4]):
        (found,) = network.run(expected["faces"][order])
        np.testing.assert_allclose(found, expected["embeddings"][order], rtol=0, atol=1e-6)


def test_facenet_s_training_graph_loads_without_settings(files: Path, tmp_path: Path) -> None:
    """Queue, PyFunc, a phase without default; the checkpoint has the step in its name."""
    expected = np.load(files / "expected.npz")
    made = _converted(files / FACENET, tmp_path)
    assert (made.ends.input, made.ends.output) == ("input:0", "embeddings:0")
    assert made.ends.size == SIZE, "told by the queue"
    (found,) = _network(made, tmp_path).run(expected["faces"])
    np.testing.assert_allclose(found, expected["embeddings"], rtol=0, atol=1e-6)


def test_classifier_is_cut_at_the_tensor_that_is_named(files: Path, tmp_path: Path) -> None:
    pooled = []
    for source, output in (("ref meta", "pooled:0"), ("keras", "pooled")):
        made = _converted(files / SOURCES[source], tmp_path, Wish(output=output))
        pooled.append(_network(made, tmp_path).run(np.load(files / "expected.npz")["faces"])[0])
    assert pooled[0].shape == (8, 24)
    np.testing.assert_allclose(unit(pooled[0]), unit(pooled[1]), atol=1e-6)


def test_tflite_file_is_cut_at_the_tensor_that_is_named(files: Path, tmp_path: Path) -> None:
    from ml_engine.formats.tflite_file import read_tflite

    path = files / SOURCES["tflite"]
    file = read_tflite(path)
    inside = next(
        operator.outputs[0]
        for operator, name in zip(file.model.subgraphs[0].operators, file.operations, strict=True)
        if name == "MEAN"
    )
    made = _converted(path, tmp_path, Wish(output=file.tensors[inside][0]))
    (found,) = _network(made, tmp_path).run(np.zeros((1, SIZE, SIZE, 3), np.uint8))
    assert found.shape == (1, 24)


def test_inspection_names_placeholders_operations_and_variables(
    files: Path, tmp_path: Path
) -> None:
    found = inspect(open_model(files / FACENET, tmp_path), Wish())
    assert (found["kind"], found["input"], found["output"]) == (
        "meta_graph", "input:0", "embeddings:0",
    )  # fmt: skip
    names = [each["name"] for each in found["placeholders"]]  # type: ignore[call-overload, index, union-attr]
    assert {"batch_size", "phase_train", "image_paths"} <= set(names)
    assert found["operations"]["PyFunc"] == 1  # type: ignore[index, call-overload]
    assert {"name": "Bottleneck/weights", "shape": [24, DIMENSION]} in found["variables"]  # type: ignore[operator]


def test_inspection_of_a_keras_file_names_its_layers(files: Path, tmp_path: Path) -> None:
    found = inspect(open_model(files / "own.keras", tmp_path), Wish())
    assert {"stem", "pooled", "Bottleneck"} <= set(found["layers"])  # type: ignore[arg-type]


def test_folded_graph_holds_nothing_but_arithmetic(files: Path, tmp_path: Path) -> None:
    made = _converted(files / SOURCES["ref meta"], tmp_path)
    assert made.counts.keys() <= {
        "Placeholder", "Const", "Identity", "Conv2D", "AddV2", "Add", "Mul", "Sub", "Rsqrt",
        "Relu", "MaxPool", "ConcatV2", "Mean", "MatMul", "Square", "Sum", "Maximum", "BiasAdd",
    }  # fmt: skip
