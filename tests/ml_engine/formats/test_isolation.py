"""Work on a file in a child process, whose limits and faults leave this one alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_engine.embedding import Embedder, load_embedder
from ml_engine.formats import Wish, convert_file, inspect_file, isolation
from ml_engine.runtime.device import ResolvedDevice
from ml_engine.runtime.tensorflow import TensorFlowNetwork
from ml_engine.types import ModelRefused, WeightsUnavailable
from ml_engine.zoo import EmbedderCard, Preprocessing, own, own_embedder
from ml_engine.zoo.own import CARD_FILE, GRAPH_FILE, NETWORK_FILES, OwnCard, graph_builder
from tests.ml_engine.formats import hostile, networks
from tests.own_models import DIMENSION, SIZE, tiny_tflite

CPU = ResolvedDevice("cpu", "cpu", 1)
_ROOT = Path(networks.__file__).parents[3]
# What a library with a fault could be made to do once the file is read.
_ATTEMPTS = """
import json, os, pathlib, socket, subprocess, sys, threading
sys.path.insert(0, sys.argv[1])
from ml_engine.formats.confinement import confine
folder, model, secret = map(pathlib.Path, sys.argv[2:5])
held = confine(folder, [model])
tries = {
    "socket": lambda: socket.socket(),
    "program": lambda: os.execv("/bin/true", ["true"]),
    "signal": lambda: os.kill(os.getppid(), 0),
    "process": lambda: os.fork() or os._exit(0),
    "thread": lambda: threading.Thread(target=int).start(),
    "secret": lambda: secret.read_bytes(),
    "environment of the site": lambda: open(f"/proc/{os.getppid()}/environ").read(),
    "file elsewhere": lambda: secret.with_name("new").write_text("x"),
    "memory": lambda: bytearray(5 << 30),
    "model": lambda: model.read_bytes() and None,
    "own folder": lambda: (folder / "new").write_text("x") and None,
}
found = {}
for name, attempt in tries.items():
    try:
        attempt()
        found[name] = "done"
    except (OSError, MemoryError) as error:
        found[name] = type(error).__name__
print(json.dumps([held, found]))
"""


def _load(card: EmbedderCard, weights: Path) -> Embedder:
    def part(_: EmbedderCard) -> Embedder:
        raise AssertionError("it has no parts")

    return load_embedder(card, weights, CPU, part)


def test_confined_process_reaches_neither_network_nor_programs_nor_files(tmp_path: Path) -> None:
    folder, model, secret = tmp_path / "own", tmp_path / "model", tmp_path / "secret"
    folder.mkdir()
    model.write_text("model")
    secret.write_text("secret")
    arguments = [sys.executable, "-I", "-c", _ATTEMPTS, _ROOT, folder, model, secret]
    told = subprocess.run(list(map(str, arguments)), check=True, capture_output=True, text=True)
    held, found = json.loads(told.stdout)
    assert {"memory", "cpu"} <= set(held)
    expected = {"memory": "MemoryError", "model": "done", "own folder": "done", "thread": "done"}
    if "calls" in held:
        expected |= dict.fromkeys(("socket", "program", "signal", "process"), "PermissionError")
    if "files" in held:
        others = ("secret", "environment of the site", "file elsewhere")
        expected |= dict.fromkeys(others, "PermissionError")
    assert {name: found[name] for name in expected} == expected


def test_converted_file_is_kept_with_its_card(tmp_path: Path) -> None:
    path, weights = tiny_tflite(tmp_path / "tiny.tflite"), tmp_path / "weights"
    made = convert_file(path, weights, Wish(alignment="box", margin=0.2))
    assert (made.card.size, made.card.dimension, made.card.source) == (SIZE, DIMENSION, "tflite")
    assert (made.card.input, made.card.output) == ("pixels", "vector")
    assert made.report["difference"] < 1e-6
    assert made.report["operations"] == {"AVERAGE_POOL_2D": 1, "RESHAPE": 1}
    card = own_embedder("tiny", made.folder, weights, made.card.sha256)
    assert (card.version, card.alignment, card.margin) == (
        f"tiny@{made.card.sha256[:12]}", "box", 0.2,
    )  # fmt: skip
    faces = list(np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), np.uint8))
    found = _load(card, weights).embed_crops(faces)
    means = np.stack(faces).reshape(3, 4, 8, 4, 8, 3).mean((2, 4)).reshape(3, -1)
    expected = (means - 127.5) / 128
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_same_file_with_other_preprocessing_is_another_model(tmp_path: Path) -> None:
    path, weights = tiny_tflite(tmp_path / "tiny.tflite"), tmp_path / "weights"
    plain = convert_file(path, weights)
    other = convert_file(path, weights, Wish(preprocessing=Preprocessing(scale=127.5)))
    assert plain.card.network_sha256 == other.card.network_sha256
    assert plain.folder != other.folder
    assert convert_file(path, weights).folder == plain.folder


def test_file_that_is_added_again_leaves_the_folder_that_is_in_use(tmp_path: Path) -> None:
    path, weights = tiny_tflite(tmp_path / "tiny.tflite"), tmp_path / "weights"
    folder = weights / convert_file(path, weights).folder
    kept = {each.name: each.stat().st_ino for each in folder.iterdir()}
    assert weights / convert_file(path, weights).folder == folder
    assert {each.name: each.stat().st_ino for each in folder.iterdir()} == kept


def test_file_that_is_added_again_mends_a_folder_that_was_damaged(tmp_path: Path) -> None:
    path, weights = tiny_tflite(tmp_path / "tiny.tflite"), tmp_path / "weights"
    made = convert_file(path, weights)
    network = weights / made.folder / NETWORK_FILES["litert"]
    network.write_bytes(b"damaged")
    convert_file(path, weights)
    assert own.sha256_of(network) == made.card.network_sha256
    assert {each.name for each in network.parent.parent.iterdir()} == {made.folder.name}


def test_folder_that_another_process_makes_at_the_same_time_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, weights = tiny_tflite(tmp_path / "tiny.tflite"), tmp_path / "weights"
    made = convert_file(path, weights)
    looks = iter([False])  # it is not there at the first look only
    check = isolation._is_kept
    monkeypatch.setattr(isolation, "_is_kept", lambda *given: next(looks, True) and check(*given))
    assert convert_file(path, weights).folder == made.folder


def test_network_with_a_very_long_name_of_a_tensor_is_refused(tmp_path: Path) -> None:
    def rename(model: Any) -> None:
        model.subgraphs[0].tensors[0].name = "x" * 201

    path = tiny_tflite(tmp_path / "tiny.tflite")
    with pytest.raises(ModelRefused, match="more than 200 characters"):
        convert_file(hostile.altered_tflite(path, path, rename), tmp_path)


@pytest.mark.parametrize("name", [CARD_FILE, NETWORK_FILES["litert"]])
def test_kept_file_that_is_gone_or_changed_is_refused(tmp_path: Path, name: str) -> None:
    weights = tmp_path / "weights"
    made = convert_file(tiny_tflite(tmp_path / "tiny.tflite"), weights)
    path = weights / made.folder / name
    for content in (path.read_bytes().replace(b"pixels", b"pixelz"), None):
        path.unlink() if content is None else path.write_bytes(content)
        with pytest.raises(WeightsUnavailable) as refused:
            _load(own_embedder("tiny", made.folder, weights, made.card.sha256), weights)
        assert str(tmp_path) not in refused.value.message  # which callers are told


def test_refused_file_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    path = tmp_path / "evil.onnx"
    path.write_bytes(hostile.onnx(external=True))
    with pytest.raises(ModelRefused, match="'factor' lies in another file"):
        convert_file(path, tmp_path / "weights")
    with pytest.raises(ModelRefused, match="no file"):
        inspect_file(tmp_path / "nothing.onnx")
    assert not (tmp_path / "weights").exists()
    assert not list((tmp_path / "temporary").iterdir())


def test_inspection_of_tflite_and_onnx_names_tensors(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(hostile.onnx())
    found = inspect_file(tmp_path / "a.onnx")
    assert (found["input"], found["output"]) == ("data", "vector")
    assert found["operations"]["GlobalAveragePool"] == 1
    found = inspect_file(tiny_tflite(tmp_path / "tiny.tflite"))
    assert {"name": "pooled", "shape": [-1, 4, 4, 3]} in found["tensors"]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import time; time.sleep(60)", "takes more than 1 seconds"),
        ("import os; os.kill(os.getpid(), 9)", "memory is short"),
        ("import os; os.abort()", "SIGABRT"),
        ("raise SystemExit(3)", "could not be read"),
        ("open('answer.json', 'w').write('[' * 100_000)", "could not be read"),
    ],
    ids=["slow", "killed", "crash", "exit", "nonsense"],
)
def test_child_that_fails_refuses_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, reason: str
) -> None:
    monkeypatch.setattr(isolation, "_START", code)
    monkeypatch.setattr(isolation, "WALL_S", 1.0 if "sleep" in code else 30.0)
    path = tiny_tflite(tmp_path / "tiny.tflite")
    with pytest.raises(ModelRefused, match=reason) as refused:
        convert_file(path, tmp_path / "weights")
    # The file may be fine.
    is_unfinished = "sleep" in code or "kill" in code
    assert refused.value.code == ("model_unfinished" if is_unfinished else "model_refused")


@pytest.mark.parametrize("name", ["answer.json", CARD_FILE])
def test_pipe_in_the_place_of_a_file_does_not_keep_anybody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    code = f"import os; open('answer.json', 'w').write('{{}}'); os.path.exists({name!r})"
    code += f" and os.unlink({name!r}); os.mkfifo({name!r})"
    monkeypatch.setattr(isolation, "_START", code.replace("{}", "{{}}"))
    with pytest.raises(ModelRefused, match=r"could not be read|gave no card"):
        convert_file(tiny_tflite(tmp_path / "tiny.tflite"), tmp_path / "weights")


def test_process_that_a_child_leaves_behind_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import os, time, json; pid = os.fork(); pid or time.sleep(60); "
    code += "json.dump(dict(found=dict(pid=pid)), open('answer.json', 'w'))"
    monkeypatch.setattr(isolation, "_START", code)
    pid = inspect_file(tiny_tflite(tmp_path / "tiny.tflite"))["pid"]
    state = Path(f"/proc/{pid}/stat")
    for _ in range(100):
        # Z: it has ended, and its new parent has not asked for it yet.
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] in "ZX":
            return
        time.sleep(0.05)
    pytest.fail("it still runs")


def test_child_gets_nothing_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "secret")
    monkeypatch.setattr(
        isolation,
        "_START",
        "import os, json; json.dump(dict(found=dict(os.environ)), open('answer.json', 'w'))",
    )
    found = inspect_file(tiny_tflite(tmp_path / "tiny.tflite"))
    assert "SECRET_KEY" not in found
    assert found["HOME"] != os.environ.get("HOME")


@pytest.mark.tensorflow
def test_training_graph_is_converted_within_the_limits(files: Path, tmp_path: Path) -> None:
    """TensorFlow's import and conversion fit into the child's memory."""
    expected = np.load(files / "expected.npz")
    made = convert_file(files / networks.FACENET, tmp_path)
    card = own_embedder("facenet", made.folder, tmp_path, made.card.sha256)
    found = _load(card, tmp_path).embed_crops(list(expected["faces"]))
    np.testing.assert_allclose(found, expected["embeddings"], atol=1e-6)
    # What a GPU runs, compiled by XLA.
    build = graph_builder(tmp_path / made.folder / GRAPH_FILE)
    graph = TensorFlowNetwork(build, batches=(1, 8), devices=("/CPU:0",), half=False)
    (found,) = graph.run(Preprocessing().apply(expected["faces"]))
    np.testing.assert_allclose(found, expected["embeddings"], atol=1e-6)


def test_card_with_unknown_or_wrong_fields_is_refused(tmp_path: Path) -> None:
    card = convert_file(tiny_tflite(tmp_path / "tiny.tflite"), tmp_path).card
    told = json.loads(card.to_bytes())
    assert OwnCard.from_bytes(card.to_bytes()) == card
    for change in ({"format": 2}, {"size": 5}, {"other": 1}, {"network_sha256": "../x"},
                   {"input": "x" * 201}):  # fmt: skip
        with pytest.raises(ValueError, match=r"is no card|not known|wrong|between|short text"):
            OwnCard.from_bytes(json.dumps(told | change).encode())


@pytest.mark.parametrize("name", ["", "../mine", "a@b", "a b", "x" * 65])
def test_name_that_no_version_can_have_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no name of a model"):
        own_embedder(name, Path("own"), tmp_path)
