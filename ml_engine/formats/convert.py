"""A checked file to a network that serving can run. Called in the child process only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from ml_engine.formats.ends import Ends, find_ends, with_shape
from ml_engine.formats.files import ModelFile, checkpoint_of
from ml_engine.formats.fold import fold
from ml_engine.formats.graph_files import read_graph
from ml_engine.formats.keras_graphs import keras_graph, weights_graph
from ml_engine.formats.nchw import channels_last
from ml_engine.formats.onnx_file import read_onnx
from ml_engine.formats.tflite_file import is_float, read_tflite
from ml_engine.formats.wish import Wish
from ml_engine.types import ModelRefused
from ml_engine.zoo.own import Runtime

_FLOAT = 1
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Converted:
    """network: content for `runtime`. graph: the folded TensorFlow graph, or nothing. batch: the
    only number of faces that the file takes; 0 is any. counts: of its operations."""

    runtime: Runtime
    network: bytes
    graph: bytes
    ends: Ends
    counts: dict[str, int]
    batch: int = 0


def convert(file: ModelFile, wish: Wish) -> Converted:
    """ModelRefused if the file is not allowed, not complete, or no network of one input."""
    if file.kind == "tflite":
        return _tflite(file.path, wish)
    if file.kind == "onnx":
        return _onnx(file.path, wish)
    if wish.network:
        source, wish = weights_graph(file, wish), replace(wish, input="", output="")
    elif file.kind in ("keras", "keras_h5"):
        source, wish = keras_graph(file.path, wish), replace(wish, input="", output="")
    else:
        source = read_graph(file, wish.checkpoint)
    ends = find_ends(source, wish)
    folded = fold(source, ends.input, ends.output, shape=ends.shape, values=wish.values)
    # The same network for both runtimes: TensorFlow has no NCHW on a CPU.
    graph = channels_last(folded.graph)
    network = litert_of(graph, ends.shape)
    return Converted("litert", network, graph.SerializeToString(), ends, folded.counts)


def litert_of(graph: Any, shape: tuple[int | None, ...]) -> bytes:
    """A folded graph as a LiteRT file with a free number of faces."""
    import tensorflow as tf

    def run(batch: Any) -> Any:
        return tf.graph_util.import_graph_def(
            graph, input_map={"input:0": batch}, return_elements=["output:0"], name=""
        )[0]

    function = tf.function(run).get_concrete_function(tf.TensorSpec(shape, tf.float32))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], run)
    return bytes(converter.convert())


def _tflite(path: Path, wish: Wish) -> Converted:
    file = read_tflite(path)
    if len(file.inputs) != 1:
        raise ModelRefused(f"The network has {len(file.inputs)} inputs; faces are one.")
    begin = file.inputs[0]
    if wish.input and file.number_of(wish.input) != begin:
        raise ModelRefused("A TFLite file begins at its own input.")
    name, shape = file.tensors[begin]
    end = file.number_of(wish.output) if wish.output else _one(file.outputs)
    if not (is_float(file, begin) and is_float(file, end)):
        raise ModelRefused("The network does not take and give 32-bit floating point numbers.")
    ends = with_shape(name, file.tensors[end][0], list(shape), wish)
    return Converted("litert", file.cut(end), b"", ends, file.counts, max(0, shape[0]))


def _onnx(path: Path, wish: Wish) -> Converted:
    file = read_onnx(path)
    names = [name for name, _, _ in file.inputs]
    if len(names) != 1 or wish.input not in ("", names[0], f"{names[0]}:0"):
        raise ModelRefused(f"An ONNX network has one input; this one has {', '.join(names)}.")
    name, shape, kind = file.inputs[0]
    if kind != _FLOAT:
        raise ModelRefused(f"The input {name} takes no 32-bit floating point numbers.")
    output = wish.output or _one(file.outputs)
    content = path.read_bytes() if file.outputs == (output,) else file.cut(output)
    ends = with_shape(name, output, list(shape), wish)
    return Converted("onnxruntime", content, b"", ends, file.counts, max(0, shape[0]))


def _one(outputs: tuple[_T, ...]) -> _T:
    if len(outputs) != 1:
        raise ModelRefused("Name one tensor as the output: the network has several.")
    return outputs[0]


def hash_of(path: Path, file: ModelFile, wish: Wish) -> str:
    """The SHA-256 of a user's file; of several files, of their names and hashes."""
    files = sorted(_files_of(path, file, wish))
    hashes = [_hash(each) for each in files]
    if len(hashes) == 1 and path.is_file():
        return hashes[0]
    named = (f"{each.name} {found}" for each, found in zip(files, hashes, strict=True))
    return hashlib.sha256("\n".join(named).encode()).hexdigest()


def _files_of(path: Path, file: ModelFile, wish: Wish) -> Iterator[Path]:
    if path.is_dir() or (file.path.is_dir() and path.name == "saved_model.pb"):
        folder = path if path.is_dir() else path.parent
        yield from (each for each in folder.rglob("*") if each.is_file())
        return
    yield path
    if file.kind in ("meta_graph", "graph_text") and file.path == path:
        with suppress(ModelRefused):  # there is none: a text without variables needs none
            yield from path.parent.glob(f"{checkpoint_of(path, wish.checkpoint).name}.*")


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
