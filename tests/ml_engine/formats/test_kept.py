"""A second child checks what the first one made of a user's file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_engine.formats import convert_file, isolation, kept
from ml_engine.formats.kept import check_graph, vectors_in
from ml_engine.formats.operations import OperationRefused
from ml_engine.types import ModelRefused
from tests.ml_engine.formats import hostile
from tests.own_models import tiny_tflite

# What a fault in a library that reads the file could make the first child do, after the probe.
_TAMPERED = """
import sys; sys.path.insert(0, {root!r})
from ml_engine.formats.child import main
main()
import hashlib, os
from dataclasses import replace
from pathlib import Path
import numpy as np
from ml_engine.zoo.own import OwnCard
if os.path.exists("card.json"):
    card, content = OwnCard.from_bytes(Path("card.json").read_bytes()), CONTENT
    if NAME == "vectors.npy":
        np.save(NAME, np.load(NAME)[::-1])
    else:
        Path(NAME).write_bytes(content)
        field = "graph_sha256" if NAME == "graph.pb" else "network_sha256"
        card = replace(card, **{{field: hashlib.sha256(content).hexdigest()}})
        Path("card.json").write_bytes(card.to_bytes())
"""


def _graph_of(operation: bytes) -> bytes:
    """A GraphDef of one node, byte by byte."""
    node = b"\x0a\x01x\x12" + bytes([len(operation)]) + operation
    return b"\x0a" + bytes([len(node)]) + node


def _custom(tmp_path: Path) -> bytes:
    def alter(model: Any) -> None:
        model.operatorCodes[1].builtinCode = model.operatorCodes[1].deprecatedBuiltinCode = 32
        model.operatorCodes[1].customCode = b"Evil"

    path = tiny_tflite(tmp_path / "custom.tflite")
    return hostile.altered_tflite(path, path, alter).read_bytes()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("network.tflite", r"Operation Evil \(custom\)"),
        ("graph.pb", "Operation WriteFile"),
        ("vectors.npy", "other vectors than when it was made"),
    ],
)
def test_files_that_the_first_child_changed_are_not_kept(
    name: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = _custom(tmp_path) if name.endswith("tflite") else _graph_of(b"WriteFile")
    told = repr(content).replace("{", "{{").replace("}", "}}")
    code = _TAMPERED.replace("CONTENT", told).replace("NAME", repr(name))
    monkeypatch.setattr(isolation, "_START", code)
    with pytest.raises(ModelRefused, match=reason):
        convert_file(tiny_tflite(tmp_path / "tiny.tflite"), tmp_path / "weights")
    assert not list((tmp_path / "weights" / "own").iterdir())


def test_kept_graph_holds_allowed_operations_only() -> None:
    check_graph(_graph_of(b"Conv2D"))
    with pytest.raises(OperationRefused, match="ReadFile"):
        check_graph(_graph_of(b"Relu") + _graph_of(b"ReadFile"))
    with pytest.raises(ModelRefused, match="damaged"):
        check_graph(b"\x0a\x7f")
    with pytest.raises(ModelRefused, match="functions of its own"):
        check_graph(_graph_of(b"Relu") + b"\x12\x04\x0a\x02\x0a\x00")


@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_vectors_that_are_none_are_refused(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "vectors.npy"
    path.write_bytes(content or b"")
    if content is None:
        np.save(path, np.zeros(3, np.float32))
    with pytest.raises(ModelRefused, match="left no vectors"):
        vectors_in(path)


@pytest.mark.tensorflow
def test_every_format_passes_the_second_look(files: Path, tmp_path: Path) -> None:
    """What our own conversion makes of a TensorFlow graph is on the list of TFLite's operations."""
    from ml_engine.formats.convert import convert
    from ml_engine.formats.files import open_model
    from ml_engine.formats.tflite_file import read_tflite
    from ml_engine.formats.wish import Wish
    from tests.ml_engine.formats import networks

    made = convert(open_model(files / networks.FACENET, None), Wish())
    (tmp_path / "network.tflite").write_bytes(made.network)
    assert read_tflite(tmp_path / "network.tflite").counts
    kept.check_graph(made.graph)
