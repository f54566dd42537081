"""ONNX files, run by onnxruntime, which is an extra."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ml_engine.formats import convert_file
from ml_engine.formats.convert import convert
from ml_engine.formats.files import ModelFile
from ml_engine.formats.onnx_file import read_onnx
from ml_engine.formats.onnx_schema import message_class
from ml_engine.formats.operations import OperationRefused
from ml_engine.formats.probe import made_up_faces
from ml_engine.formats.wish import Wish
from ml_engine.runtime import onnx
from ml_engine.runtime.device import ResolvedDevice
from ml_engine.runtime.onnx import OnnxNetwork
from ml_engine.types import ModelUnusable
from ml_engine.zoo import Preprocessing, own_embedder
from ml_engine.zoo.own import PreparedNetwork
from tests.ml_engine.formats.onnx_network import onnx_network


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "own.onnx").write_bytes(onnx_network())
    return tmp_path / "own.onnx"


def test_onnx_file_is_read_with_its_layout_and_size(path: Path) -> None:
    made = convert(ModelFile(path, "onnx"), Wish())
    assert (made.ends.input, made.ends.output) == ("data", "vector")
    assert (made.ends.layout, made.ends.size, made.batch) == ("nchw", 32, 0)
    assert made.network == path.read_bytes()


def test_onnx_file_is_cut_at_the_tensor_that_is_named(path: Path, tmp_path: Path) -> None:
    made = convert(ModelFile(path, "onnx"), Wish(output="t9"))
    (tmp_path / "cut.onnx").write_bytes(made.network)
    cut = read_onnx(tmp_path / "cut.onnx")
    assert cut.outputs == ("t9",)
    assert "LpNormalization" not in cut.counts


@pytest.mark.data
def test_genuine_onnx_file_is_read(data_dir: Path) -> None:
    """YuNet, as its makers exported it: a network of several outputs."""
    file = read_onnx(data_dir / "models" / "face_detection_yunet_2026may.onnx")
    assert len(file.outputs) > 1
    assert file.counts["Conv"] > 10


def test_onnx_without_onnxruntime_names_what_to_install(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelUnusable, match=r"pip install -r requirements/lock-onnx\.txt"):
        OnnxNetwork(path)


@pytest.mark.tensorflow
def test_onnx_gives_the_maker_s_embeddings(path: Path, files: Path) -> None:
    pytest.importorskip("onnxruntime", reason="an extra that lock-dev.txt installs")
    expected = np.load(files / "expected.npz")
    network = PreparedNetwork(OnnxNetwork(path, threads=1), Preprocessing(), "nchw")
    for order in ([4], [7, 0, 3], [2, 1, 5, 6, 0, 3, 7, 4]):
        (found,) = network.run(expected["faces"][order])
        np.testing.assert_allclose(found, expected["embeddings"][order], rtol=0, atol=1e-4)


def test_onnx_file_goes_the_whole_way_within_the_limits(path: Path, tmp_path: Path) -> None:
    """Checked, probed and kept by confined processes, then run as the product runs it."""
    pytest.importorskip("onnxruntime", reason="an extra that lock-dev.txt installs")
    weights = tmp_path / "weights"
    made = convert_file(path, weights)
    assert (made.card.runtime, made.card.layout) == ("onnxruntime", "nchw")
    card = own_embedder("own", made.folder, weights, made.card.sha256)
    assert card.source is not None
    network = card.source.network(card, weights, ResolvedDevice("cpu", "cpu", 1))
    assert network.run(made_up_faces(card.size))[0].shape == (8, card.dimension)


def test_onnx_file_whose_sizes_depend_on_the_picture_is_refused(tmp_path: Path) -> None:
    """A constant, or what is computed of shapes, is a size; a pixel is none."""
    path = tmp_path / "padded.onnx"
    path.write_bytes(_padded("Shape"))
    assert read_onnx(path).counts["Pad"] == 1
    path.write_bytes(_padded("Cast"))
    with pytest.raises(OperationRefused, match=r"Operation Pad .* takes a size"):
        read_onnx(path)


def _padded(sized_by: str) -> bytes:
    model = message_class("ModelProto")()
    model.ParseFromString(onnx_network())
    model.graph.node.add(op_type=sized_by, input=["data"], output=["sides"])
    model.graph.node.add(op_type="Pad", input=["data", "sides"], output=["padded"])
    return bytes(model.SerializeToString())


def test_error_of_onnxruntime_says_that_the_network_does_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class InvalidArgument(Exception):
        """As in onnxruntime, of no common base."""

    def run(*given: object) -> None:
        raise InvalidArgument

    session = SimpleNamespace(get_inputs=lambda: [SimpleNamespace(name="data")], run=run)
    monkeypatch.setattr(onnx, "_session", lambda path, threads: session)
    with pytest.raises(ModelUnusable, match="does not run this network"):
        OnnxNetwork(tmp_path / "x.onnx").run(np.zeros((1, 3, 32, 32), np.float32))
