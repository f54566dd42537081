"""Graphs whose ends, layout or placeholders need a word from the user, or none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_engine.formats.convert import Converted, convert
from ml_engine.formats.files import ModelFile, open_model
from ml_engine.formats.probe import probe
from ml_engine.formats.wish import Wish
from ml_engine.types import ModelRefused
from ml_engine.zoo import Preprocessing
from ml_engine.zoo.own import PreparedNetwork, file_network
from tests.ml_engine.formats.hostile import FLOAT, INT32, constant, graph, placeholder
from tests.ml_engine.formats.networks import SIZE

pytestmark = pytest.mark.tensorflow

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(*nodes: Any) -> Path:
        (tmp_path / "made.pb").write_bytes(graph(*nodes).SerializeToString())
        return tmp_path / "made.pb"

    return write


def _convert(path: Path, **wishes: Any) -> Converted:
    return convert(ModelFile(path, "frozen_graph"), Wish(**wishes))


def _network(made: Converted, folder: Path) -> PreparedNetwork:
    (folder / "made.tflite").write_bytes(made.network)
    inner = file_network("litert", folder / "made.tflite", threads=1)
    return PreparedNetwork(inner, Preprocessing(0.0, 1.0), made.ends.layout)


def _mean(name: str, of: str, axes: str = "axes") -> Any:
    return name, "Mean", [of, axes], {"T": FLOAT, "Tidx": INT32}


def _kept(rate: str) -> tuple[Any, ...]:
    """A network that multiplies by `rate`, as dropout does."""
    return (
        placeholder(),
        constant("axes", [1, 2]),
        ("scaled", "Mul", ["input", rate], {"T": FLOAT}),
        _mean("embeddings", "scaled"),
    )


def test_value_of_another_placeholder_is_told(write: Write, tmp_path: Path) -> None:
    path = write(("keep", "Placeholder", [], {"dtype": FLOAT}), *_kept("keep"))
    with pytest.raises(ModelRefused, match="needs a value for the placeholder keep:0"):
        _convert(path)
    network = _network(_convert(path, values={"keep": 0.5}), tmp_path)
    faces = np.full((1, SIZE, SIZE, 3), 100, np.uint8)
    np.testing.assert_allclose(network.run(faces)[0], 50)


def test_placeholder_with_a_default_takes_it(write: Write, tmp_path: Path) -> None:
    keep = ("keep", "PlaceholderWithDefault", ["usual"], {"dtype": FLOAT})
    network = _network(_convert(write(constant("usual", 2.0), keep, *_kept("keep"))), tmp_path)
    faces = np.full((3, SIZE, SIZE, 3), 100, np.uint8)
    np.testing.assert_allclose(network.run(faces)[0], 200)


def test_channels_first_graph_runs_on_a_cpu(write: Write, tmp_path: Path) -> None:
    from tensorflow.core.framework import attr_value_pb2

    def ints(*values: int) -> Any:
        return attr_value_pb2.AttrValue(list=attr_value_pb2.AttrValue.ListValue(i=values))

    def text(value: bytes) -> Any:
        return attr_value_pb2.AttrValue(s=value)

    name, operation, inputs, attributes = placeholder()
    shape = attr_value_pb2.AttrValue()
    for side in (-1, 3, SIZE, SIZE):
        shape.shape.dim.add(size=side)
    kernel = np.random.default_rng(0).normal(size=(2, 2, 3, 4)).astype(np.float32)
    convolution = {
        "T": FLOAT, "strides": ints(1, 1, 2, 2), "dilations": ints(1, 1, 1, 1),
        "padding": text(b"VALID"), "data_format": text(b"NCHW"),
    }  # fmt: skip
    path = write(
        (name, operation, inputs, attributes | {"shape": shape}),
        constant("kernel", kernel),
        constant("bias", np.arange(4, dtype=np.float32)),
        constant("axes", [2, 3]),
        ("convolved", "Conv2D", ["input", "kernel"], convolution),
        ("biased", "BiasAdd", ["convolved", "bias"], {"T": FLOAT, "data_format": text(b"NCHW")}),
        _mean("embeddings", "biased"),
    )
    made = _convert(path)
    assert made.ends.layout == "nchw"
    faces = np.random.default_rng(1).integers(0, 256, (3, SIZE, SIZE, 3), np.uint8)
    patches = faces.reshape(3, SIZE // 2, 2, SIZE // 2, 2, 3).mean((1, 3))  # (n, 2, 2, 3)
    expected = np.tensordot(patches, kernel, 3) + np.arange(4)
    np.testing.assert_allclose(_network(made, tmp_path).run(faces)[0], expected, rtol=1e-4)


def test_several_ends_are_named_so_that_one_can_be_chosen(write: Write) -> None:
    path = write(
        placeholder(), constant("axes", [1, 2]), _mean("first", "input"), _mean("second", "input")
    )
    with pytest.raises(ModelRefused, match="output; there are first:0, second:0"):
        _convert(path)
    assert _convert(path, output="second").ends.output == "second:0"
    with pytest.raises(ModelRefused, match="no tensor 'third:0'"):
        _convert(path, output="third:0")


def test_output_that_does_not_depend_on_the_input_is_refused(write: Write) -> None:
    path = write(placeholder(), constant("axes", [1, 2]), ("embeddings", "Shape", ["axes"], {}))
    with pytest.raises(ModelRefused, match="does not depend on the input"):
        _convert(path)


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        ({"size": 64}, "side of 32 pixels, not 64"),
        ({"input": "nothing"}, "no tensor nothing:0"),
        ({"input": "a:b"}, "is no tensor"),
    ],
)
def test_wish_that_does_not_fit_the_graph_is_refused(
    write: Write, wish: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ModelRefused, match=reason):
        _convert(write(*_kept("input")), **wish)


def test_size_that_no_file_tells_has_to_be_said(write: Write) -> None:
    path = write(
        ("input", "Placeholder", [], {"dtype": FLOAT}),
        constant("axes", [1, 2]),
        _mean("embeddings", "input"),
    )
    with pytest.raises(ModelRefused, match="is not told: say it"):
        _convert(path)
    assert _convert(path, size=48).ends.size == 48


def test_network_normalised_by_its_batch_is_refused(write: Write, tmp_path: Path) -> None:
    path = write(
        placeholder(), constant("axes", [1, 2]), constant("batch", [0]),
        _mean("pooled", "input"), _mean("of_batch", "pooled", "batch"),
        ("embeddings", "Sub", ["pooled", "of_batch"], {"T": FLOAT}),
    )  # fmt: skip
    with pytest.raises(ModelRefused, match=r"another vector in another batch|finite"):
        probe(_network(_convert(path), tmp_path), SIZE)


def test_network_that_is_blind_is_refused(write: Write, tmp_path: Path) -> None:
    path = write(
        placeholder(), constant("axes", [1, 2]), constant("nothing", 0.0), constant("one", 1.0),
        _mean("pooled", "input"), ("dark", "Mul", ["pooled", "nothing"], {"T": FLOAT}),
        ("embeddings", "Add", ["dark", "one"], {"T": FLOAT}),
    )  # fmt: skip
    with pytest.raises(ModelRefused, match="same vector for all faces"):
        probe(_network(_convert(path), tmp_path), SIZE)


def test_checkpoint_that_is_missing_is_named(files: Path, tmp_path: Path) -> None:
    (tmp_path / "model.meta").write_bytes((files / "ref/meta/model.meta").read_bytes())
    with pytest.raises(ModelRefused, match=r"needs a checkpoint beside it: files NAME\.index"):
        convert(open_model(tmp_path / "model.meta", tmp_path / "scratch"), Wish())


def test_zip_of_a_checkpoint_is_unpacked(files: Path, tmp_path: Path) -> None:
    import shutil

    packed = shutil.make_archive(str(tmp_path / "model"), "zip", files / "ref/meta")
    (tmp_path / "scratch").mkdir()
    made = convert(open_model(Path(packed), tmp_path / "scratch"), Wish())
    assert made.ends.output == "embeddings:0"
