"""Which file of a folder or an archive is the model, and which files belong to it."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from ml_engine.formats.convert import hash_of
from ml_engine.formats.files import ModelFile, open_model
from ml_engine.formats.wish import Wish
from ml_engine.types import ModelRefused
from tests.ml_engine.formats import hostile

_SAVED = b"\x08\x01\x12\x00"


def test_saved_model_under_another_name_is_not_taken_for_the_one_beside_it(tmp_path: Path) -> None:
    for name in ("saved_model.pb", "other.pb"):
        (tmp_path / name).write_bytes(_SAVED)
    assert open_model(tmp_path / "saved_model.pb", None) == ModelFile(tmp_path, "saved_model")
    with pytest.raises(ModelRefused, match=r"other\.pb is a SavedModel, whose file is called"):
        open_model(tmp_path / "other.pb", None)


def test_second_files_of_a_macos_archive_are_no_models(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "mac.zip", "w") as archive:
        archive.writestr("own.onnx", hostile.onnx())
        archive.writestr("__MACOSX/._own.onnx", b"attributes")
        archive.writestr("._own.onnx", b"attributes")
    (scratch := tmp_path / "scratch").mkdir()
    assert open_model(tmp_path / "mac.zip", scratch) == ModelFile(scratch / "own.onnx", "onnx")


def test_archive_in_a_folder_is_not_unpacked_there(tmp_path: Path) -> None:
    (folder := tmp_path / "mine").mkdir()
    with zipfile.ZipFile(folder / "own.onnx", "w") as archive:
        archive.writestr("inner.onnx", hostile.onnx())
    with pytest.raises(ModelRefused, match="is a ZIP inside of another, or of a folder"):
        open_model(folder, tmp_path)
    assert [path.name for path in folder.iterdir()] == ["own.onnx"]


def test_checkpoint_of_a_text_graph_is_part_of_its_hash(tmp_path: Path) -> None:
    path = tmp_path / "graph.pbtxt"
    path.write_text("node {}")
    alone = hash_of(path, ModelFile(path, "graph_text"), Wish())
    (tmp_path / "graph.index").write_bytes(b"index")
    (tmp_path / "graph.data-00000-of-00001").write_bytes(b"data")
    assert hash_of(path, ModelFile(path, "graph_text"), Wish()) != alone
