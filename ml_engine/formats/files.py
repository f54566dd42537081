"""Which format a file has, by its content, and which files belong to it."""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from ml_engine.formats.bounds import MAX_FILES, check_file_size
from ml_engine.types import ModelRefused

Kind = Literal[
    "saved_model", "frozen_graph", "meta_graph", "graph_text", "keras", "keras_h5", "tflite", "onnx"
]
_SUFFIXES: dict[Kind, tuple[str, ...]] = {
    "saved_model": (".pb",),
    "frozen_graph": (".pb",),
    "meta_graph": (".meta",),
    "graph_text": (".pbtxt",),
    "keras": (".keras",),
    "keras_h5": (".h5", ".hdf5"),
    "tflite": (".tflite",),
    "onnx": (".onnx",),
}
# In this order: the file of a folder that is the model.
_MAIN_FILES = (
    "saved_model.pb",
    "*.keras",
    "*.tflite",
    "*.onnx",
    "*.h5",
    "*.pb",
    "*.meta",
    "*.pbtxt",
)
_NAMES: dict[Kind, str] = {
    "saved_model": "SavedModel",
    "frozen_graph": "TensorFlow graph",
    "meta_graph": "TensorFlow meta graph",
    "graph_text": "TensorFlow graph as text",
    "keras": "Keras file",
    "keras_h5": "HDF5 file",
    "tflite": "TFLite file",
    "onnx": "ONNX file",
}
_STEP = re.compile(r"-(\d+)$")


@dataclass(frozen=True, slots=True)
class ModelFile:
    """path: the file; of a SavedModel its folder."""

    path: Path
    kind: Kind


def open_model(path: Path, scratch: Path | None) -> ModelFile:
    """Recognise the model at `path`: a file, a folder, or a zip of either.

    scratch: an empty folder that a zip is unpacked into; without one, a zip is refused.

    Raises:
        ModelRefused: it is no model, or one under a wrong suffix, or too large.
    """
    if path.is_dir():
        return _in_folder(path)
    check_file_size(path.name, path.stat().st_size)
    head = _head(path)
    if head[:4] == b"PK\x03\x04" and path.suffix != ".keras":
        if _is_keras_archive(path):
            raise _wrong_suffix(path, "keras")
        if scratch is None:
            raise ModelRefused(f"{path.name} is a ZIP inside of another, or of a folder.")
        _unpack(path, scratch)
        return _in_folder(scratch)
    kind = _kind_of(path, head)
    if path.suffix.lower() not in _SUFFIXES[kind]:
        raise _wrong_suffix(path, kind)
    if kind == "saved_model" and path.name != _MAIN_FILES[0]:
        raise ModelRefused(f"{path.name} is a SavedModel, whose file is called {_MAIN_FILES[0]}.")
    return ModelFile(path.parent if kind == "saved_model" else path, kind)


def size_of(path: Path) -> int:
    """About how many bytes a model has: a file, or a folder with all that is in it. Of a checkpoint
    its data count, of a SavedModel its variables. 0 if there is no such file."""
    if path.is_dir():
        files = list(path.rglob("*"))
    elif path.name == _MAIN_FILES[0]:
        files = [path, *path.parent.glob("variables/*")]
    elif path.suffix in (".meta", ".pbtxt"):
        files = [path, *path.parent.glob("*.data-*")]
    else:
        files = [path]
    return sum(each.stat().st_size for each in files if each.is_file())


def checkpoint_of(graph: Path, wanted: str) -> Path:
    """The prefix of the checkpoint that belongs to a `.meta` or `.pbtxt`: the highest step of
    those beside it, if `wanted` names none."""
    found = [path.with_suffix("") for path in sorted(graph.parent.glob("*.index"))]
    found = [path for path in found if any(graph.parent.glob(f"{_escaped(path.name)}.data-*"))]
    if wanted:
        found = [path for path in found if path.name == Path(wanted).name]
    else:
        found = [path for path in found if path.name.startswith(graph.stem)] or found
    if not found:
        raise ModelRefused(
            f"{graph.name} needs a checkpoint beside it: files {wanted or 'NAME'}.index and "
            f"{wanted or 'NAME'}.data-00000-of-00001."
        )
    return max(found, key=_step)


def _step(prefix: Path) -> int:
    found = _STEP.search(prefix.name)
    return int(found[1]) if found else -1


def _escaped(name: str) -> str:
    return re.sub(r"([\[\]*?])", r"[\1]", name)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4096)


def _in_folder(folder: Path) -> ModelFile:
    files = [path for path in folder.rglob("*") if path.is_file()]
    for path in folder.rglob("*"):
        if path.is_symlink():
            raise ModelRefused(f"{path.name} is a link; links are not followed.")
    if len(files) > MAX_FILES:
        raise ModelRefused(f"The folder holds {len(files)} files.")
    check_file_size("The folder", sum(path.stat().st_size for path in files))
    for pattern in _MAIN_FILES:
        found = [
            path
            for path in sorted(files)
            if path.match(pattern) and not _is_of_macos(path.relative_to(folder))
        ]
        if len(found) > 1:
            told = ", ".join(path.name for path in found[:5])
            raise ModelRefused(f"There are several models: {told}. Give one of them.")
        if found:
            return open_model(found[0], None)
    raise ModelRefused("There is no model in this folder.")


def _is_of_macos(path: Path) -> bool:
    """Its archives hold a second file, of attributes, for each."""
    return "__MACOSX" in path.parts or path.name.startswith("._")


def _kind_of(path: Path, head: bytes) -> Kind:
    if head[4:8] == b"TFL3":
        return "tflite"
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return "keras_h5"
    if head[:4] == b"PK\x03\x04":
        return "keras"
    if re.match(
        rb"\s*(#[^\n]*\n\s*)*(node|meta_info_def|graph_def|library|versions)\s*:?\s*\{", head
    ):
        return "graph_text"
    if head[:1] == b"\x08":
        return "saved_model" if head[1:3] == b"\x01\x12" else "onnx"
    if head[:1] in (b"\x0a", b"\x12", b"\x22"):
        # A graph and a meta graph begin alike; which it is shows when it is read.
        return "meta_graph" if path.suffix.lower() == ".meta" else "frozen_graph"
    raise ModelRefused(f"{path.name} is no model in a format that is known here.")


def _wrong_suffix(path: Path, kind: Kind) -> ModelRefused:
    wanted = " or ".join(_SUFFIXES[kind])
    return ModelRefused(
        f"{path.name} holds a {_NAMES[kind]}, whose name ends with {wanted}. Is it the right file?"
    )


def _is_keras_archive(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return "config.json" in archive.namelist()
    except zipfile.BadZipFile as error:
        raise ModelRefused(f"{path.name} is not complete: {error}.") from error


def _unpack(path: Path, scratch: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        if len(entries) > MAX_FILES:
            raise ModelRefused(f"{path.name} holds {len(entries)} files.")
        check_file_size(path.name, sum(entry.file_size for entry in entries))
        for entry in entries:
            name = PurePosixPath(entry.filename)
            if name.is_absolute() or ".." in name.parts or "\\" in entry.filename:
                raise ModelRefused(f"{path.name} holds a file outside of it: {entry.filename}.")
            target = scratch / name
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                with archive.open(entry) as source, target.open("xb") as file:
                    # No more than was announced, whatever the archive unpacks to.
                    file.write(source.read(entry.file_size))
            except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError) as error:
                raise ModelRefused(f"{entry.filename} cannot be unpacked: {error}.") from error
