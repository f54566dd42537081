"""Files that would harm are refused before anything of them runs, and the reason names the part."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ml_engine.formats.bounds import MAX_FILE_BYTES
from ml_engine.formats.convert import convert
from ml_engine.formats.files import open_model
from ml_engine.formats.wish import Wish
from ml_engine.types import ModelRefused
from tests.ml_engine.formats import hostile
from tests.ml_engine.formats.networks import SIZE, VICTIM

pytestmark = pytest.mark.tensorflow

# Given the folder of made files and a folder of its own: the path of a hostile file.
_Make = Callable[[Path, Path], Path]
_T = {"T": hostile.FLOAT}


def _made(name: str) -> _Make:
    return lambda files, folder: files / "hostile" / name


def _graph(*nodes: Any) -> _Make:
    """A frozen graph from the input to the last node."""

    def make(files: Path, folder: Path) -> Path:
        given = (node() if callable(node) else node for node in nodes)
        made = hostile.graph(hostile.placeholder(), *given)
        (folder / "evil.pb").write_bytes(made.SerializeToString())
        return folder / "evil.pb"

    return make


def _keras(alter: Callable[[dict[str, Any]], None]) -> _Make:
    return lambda files, folder: hostile.altered_keras(
        files / "own.keras", folder / "evil.keras", alter
    )


def _tflite(alter: Callable[[Any], None]) -> _Make:
    return lambda files, folder: hostile.altered_tflite(
        files / "own.tflite", folder / "evil.tflite", alter
    )


def _onnx(**options: Any) -> _Make:
    def make(files: Path, folder: Path) -> Path:
        (folder / "evil.onnx").write_bytes(hostile.onnx(**options))
        return folder / "evil.onnx"

    return make


def _cut_short(name: str, suffix: str) -> _Make:
    def make(files: Path, folder: Path) -> Path:
        content = (files / name).read_bytes()
        (folder / f"evil{suffix}").write_bytes(content[: len(content) * 2 // 3])
        return folder / f"evil{suffix}"

    return make


def _as_layer(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda layer: layer.update(values)


def _wrong_suffix(files: Path, folder: Path) -> Path:
    (folder / "evil.h5").write_bytes((files / "own.keras").read_bytes())
    return folder / "evil.h5"


def _too_large(files: Path, folder: Path) -> Path:
    with (folder / "evil.pb").open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)  # without blocks on the disk
    return folder / "evil.pb"


def _outside(files: Path, folder: Path) -> Path:
    with zipfile.ZipFile(folder / "evil.zip", "w") as archive:
        archive.writestr("../../saved_model.pb", b"\x08\x01\x12\x00")
    return folder / "evil.zip"


def _linked(files: Path, folder: Path) -> Path:
    (folder / "saved").mkdir()
    (folder / "saved" / "saved_model.pb").symlink_to("/etc/hostname")
    return folder / "saved"


def _linked_table(files: Path, folder: Path) -> Path:
    import h5py

    path = folder / "evil.h5"
    path.write_bytes((files / "own.h5").read_bytes())
    with h5py.File(path, "a") as file:
        file["model_weights/elsewhere"] = h5py.ExternalLink("/etc/hostname", "/")
    return path


def _huge_table(files: Path, folder: Path) -> Path:
    import h5py

    path = folder / "evil.h5"
    path.write_bytes((files / "own.h5").read_bytes())
    with h5py.File(path, "a") as file:
        file.create_dataset("model_weights/huge", (10**5, 10**5), "f4", chunks=(10, 10))
    return path


def _recursive(files: Path, folder: Path) -> Path:
    made = hostile.graph(
        hostile.placeholder(), ("embeddings", "Again", ["input"], {}),
    )  # fmt: skip
    function = made.library.function.add()
    function.signature.name = "Again"
    function.signature.input_arg.add(name="x", type=hostile.FLOAT)
    function.signature.output_arg.add(name="y", type=hostile.FLOAT)
    function.node_def.add(name="inner", op="Again", input=["x"])
    function.ret["y"] = "inner:y:0"
    (folder / "evil.pb").write_bytes(made.SerializeToString())
    return folder / "evil.pb"


def _custom(model: Any) -> None:
    code = model.operatorCodes[model.subgraphs[0].operators[-1].opcodeIndex]
    code.builtinCode, code.deprecatedBuiltinCode = 32, 32
    code.customCode = "FlexWriteFile"


def _huge_tensor(model: Any) -> None:
    model.subgraphs[0].tensors[-1].shape = [1, 10**5, 10**5, 1]


def _outer_buffer(model: Any) -> None:
    model.buffers[-1].offset, model.buffers[-1].size = 10**9, 10**9


_LINE: tuple[str, str, list[str], dict[str, Any]] = ("line", "ReadFile", ["name"], {})
HOSTILE: dict[str, tuple[_Make, str]] = {
    "saved model that writes when it is called": (_made("write"), "Operation WriteFile"),
    "saved model that reads when it is called": (_made("read"), "Operation ReadFile"),
    "saved model that prints into a file": (_made("print"), "Operation PrintV2"),
    "saved model that writes when it is loaded": (_made("main_op"), "Operation WriteFile"),
    "saved model with python": (_made("python"), "Operation EagerPyFunc"),
    "graph that reads": (
        _graph(
            lambda: hostile.constant("name", b"/etc/hostname"),
            _LINE,
            ("embeddings", "DecodeRaw", ["line"], {"out_type": hostile.FLOAT}),
        ),
        "Operation ReadFile",
    ),
    "graph that fills 40 GB": (
        _graph(
            lambda: hostile.constant("sides", [100_000, 100_000]),
            lambda: hostile.constant("one", 1.0),
            ("huge", "Fill", ["sides", "one"], {"T": hostile.FLOAT, "index_type": hostile.INT32}),
            ("embeddings", "Add", ["input", "huge"], _T),
        ),
        "Operation Fill",
    ),
    "graph with a constant of 40 GB": (
        _graph(
            lambda: hostile.constant("huge", 1.0, [100_000, 100_000]),
            ("embeddings", "Add", ["input", "huge"], _T),
        ),
        "'huge'.*40.0 GB",
    ),
    "graph that pads by what the picture shows": (
        _graph(
            ("sides", "Cast", ["input"], {"SrcT": hostile.FLOAT, "DstT": hostile.INT32}),
            ("embeddings", "Pad", ["input", "sides"], _T | {"Tpaddings": hostile.INT32}),
        ),
        r"Operation Pad \(node 'embeddings'\) takes a size or a place from what the picture",
    ),
    "graph with a loop": (
        _graph(("a", "Add", ["input", "b"], _T), ("embeddings", "Relu", ["a"], _T),
               ("b", "Relu", ["a"], _T)),
        "part of a loop",
    ),
    "graph whose function calls itself": (_recursive, "Again.*again and again"),
    "graph with an unknown operation": (
        _graph(("embeddings", "ShellExecute", ["input"], {})), "Operation ShellExecute",
    ),
    "keras with a lambda": (_made("lambda.keras"), "Layer .*Lambda .*'evil'"),
    "h5 with a lambda": (_made("lambda.h5"), "Layer .*Lambda .*'evil'"),
    "keras with a class of another module": (
        _keras(_as_layer(module="subprocess", class_name="Popen")), "Layer subprocess.Popen",
    ),
    "keras with registered code": (
        _keras(_as_layer(registered_name="evil>Dense")), "names other code, 'evil>Dense'",
    ),
    "keras with a vocabulary file": (
        _keras(_as_layer(class_name="StringLookup", config={"vocabulary": "/etc/passwd"})),
        "Layer keras.layers.StringLookup",
    ),
    "keras with a layer of 40 GB": (
        _keras(lambda layer: layer["config"].update(units=10**10)), "'Bottleneck' asks for 1e",
    ),
    "h5 with a table of another file": (_linked_table, "elsewhere lies elsewhere"),
    "h5 with a table of 40 GB": (_huge_table, "huge asks for 40.0 GB"),
    "onnx with values in another file": (_onnx(external=True), "'factor' lies in another file"),
    "onnx with an operation of its own": (
        _onnx(operation="Evil", domain="my.domain"), "Operation my.domain.Evil",
    ),
    "onnx with a loop": (_onnx(operation="Loop"), "Operation Loop"),
    "tflite with a custom operation": (_tflite(_custom), "Operation FlexWriteFile"),
    "tflite with a tensor of 40 GB": (_tflite(_huge_tensor), "40.0 GB"),
    "tflite with a buffer elsewhere": (_tflite(_outer_buffer), "outside|damaged"),
    "graph that was cut short": (_cut_short("ref/frozen.pb", ".pb"), "damaged or not complete"),
    "keras that was cut short": (_cut_short("own.keras", ".keras"), "damaged or not complete"),
    "h5 that was cut short": (_cut_short("own.h5", ".h5"), "damaged or not complete"),
    "tflite that was cut short": (_cut_short("own.tflite", ".tflite"), "damaged|larger"),
    "wrong suffix": (_wrong_suffix, "holds a Keras file"),
    "too large": (_too_large, "too large"),
    "zip that leaves its folder": (_outside, "outside of it"),
    "folder with a link": (_linked, "link"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_file_is_refused_with_the_part_named(
    files: Path, tmp_path: Path, name: str
) -> None:
    make, reason = HOSTILE[name]
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    path = make(files, tmp_path)
    with pytest.raises(ModelRefused) as refused:
        convert(open_model(path, scratch), Wish())
    assert re.search(reason, refused.value.message), refused.value.message
    assert not (files / VICTIM).exists()


def test_input_pipeline_beside_the_network_is_not_looked_at(tmp_path: Path) -> None:
    """A file that is read for something else than the output."""
    path = _graph(
        lambda: hostile.constant("name", b"/etc/hostname"),
        _LINE,
        lambda: hostile.constant("axes", [1, 2]),
        ("embeddings", "Mean", ["input", "axes"], {"T": hostile.FLOAT, "Tidx": hostile.INT32}),
    )(tmp_path, tmp_path)
    made = convert(open_model(path, tmp_path / "unused"), Wish())
    assert made.counts == {"Placeholder": 1, "Const": 1, "Mean": 1, "Identity": 1}
    assert made.ends.size == SIZE
