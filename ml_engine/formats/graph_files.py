"""TensorFlow's files as one thing: a graph, and a way to read its variables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml_engine.formats.bounds import check_tensor
from ml_engine.formats.files import ModelFile, checkpoint_of
from ml_engine.formats.graph import GraphSource
from ml_engine.formats.saved_objects import variable_keys
from ml_engine.types import ModelRefused

_SERVE = "serve"
_SIGNATURE = "serving_default"
_INIT = "__saved_model_init_op"
_MAIN_COLLECTIONS = ("saved_model_main_op", "legacy_init_op")


def read_graph(file: ModelFile, checkpoint: str) -> GraphSource:
    """The graph of a TensorFlow file. ModelRefused if it is not complete or lacks its checkpoint.

    checkpoint: see `Wish`.
    """
    return _READERS[file.kind](file.path, checkpoint)


def _frozen(path: Path, checkpoint: str) -> GraphSource:
    from tensorflow.core.framework import graph_pb2

    graph = _parsed(graph_pb2.GraphDef(), path)
    if not graph.node or not all(node.op and node.name for node in graph.node):
        raise ModelRefused(f"{path.name} holds no TensorFlow graph.")
    return GraphSource(graph, _no_variable)


def _meta(path: Path, checkpoint: str) -> GraphSource:
    from tensorflow.core.protobuf import meta_graph_pb2

    meta = _parsed(meta_graph_pb2.MetaGraphDef(), path)
    if not meta.graph_def.node:
        raise ModelRefused(f"{path.name} holds no TensorFlow graph.")
    return _with_checkpoint(meta, checkpoint_of(path, checkpoint))


def _text(path: Path, checkpoint: str) -> GraphSource:
    from google.protobuf import text_format
    from tensorflow.core.framework import graph_pb2
    from tensorflow.core.protobuf import meta_graph_pb2

    try:
        text = path.read_text()
        is_meta = text.lstrip().startswith(("meta_info_def", "graph_def"))
        meta = meta_graph_pb2.MetaGraphDef()
        text_format.Parse(text, meta if is_meta else meta.graph_def)
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise ModelRefused(f"{path.name} cannot be read: {error}.") from error
    assert isinstance(meta.graph_def, graph_pb2.GraphDef)
    if any(node.op.startswith("Var") for node in meta.graph_def.node):
        return _with_checkpoint(meta, checkpoint_of(path, checkpoint))
    return GraphSource(meta.graph_def, _no_variable)


def _saved_model(folder: Path, checkpoint: str) -> GraphSource:
    from tensorflow.core.protobuf import saved_model_pb2

    saved = _parsed(saved_model_pb2.SavedModel(), folder / "saved_model.pb")
    metas = [meta for meta in saved.meta_graphs if _SERVE in meta.meta_info_def.tags]
    if not (metas or saved.meta_graphs):
        raise ModelRefused("saved_model.pb holds no graph.")
    meta = (metas or list(saved.meta_graphs))[0]
    prefix = folder / "variables" / "variables"
    if not prefix.with_suffix(".index").exists():
        return _source(meta, {}, _no_variable, {})
    return _with_checkpoint(meta, prefix)


_READERS: dict[str, Callable[[Path, str], GraphSource]] = {
    "frozen_graph": _frozen,
    "meta_graph": _meta,
    "graph_text": _text,
    "saved_model": _saved_model,
}


def _parsed(message: Any, path: Path) -> Any:
    from google.protobuf.message import DecodeError

    try:
        message.ParseFromString(path.read_bytes())
    except DecodeError as error:
        raise ModelRefused(f"{path.name} is damaged or not complete.") from error
    return message


def _with_checkpoint(meta: Any, prefix: Path) -> GraphSource:
    import tensorflow as tf

    try:
        reader = tf.train.load_checkpoint(str(prefix))
        shapes: dict[str, list[int]] = reader.get_variable_to_shape_map()
        kinds = reader.get_variable_to_dtype_map()
        keys = variable_keys(meta, reader)
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise ModelRefused(f"The checkpoint {prefix.name} is damaged: {error}.") from error

    def read(name: str) -> NDArray[Any]:
        key = keys.get(name, name)
        check_tensor(f"Variable {name}", shapes[key], kinds[key].size)
        try:
            return np.asarray(reader.get_tensor(key))
        except (tf.errors.OpError, ValueError, RuntimeError) as error:
            raise ModelRefused(f"Variable {name} of {prefix.name} is damaged.") from error

    return _source(meta, shapes, read, keys)


def _source(
    meta: Any,
    shapes: Mapping[str, list[int]],
    read: Callable[[str], NDArray[Any]],
    keys: Mapping[str, str],
) -> GraphSource:
    shared = {
        node.name: node.attr["shared_name"].s.decode() or node.name
        for node in meta.graph_def.node
        if node.op == "VarHandleOp"
    }

    def read_variable(name: str) -> NDArray[Any]:
        for each in (name, shared.get(name, name)):
            if keys.get(each, each) in shapes:
                return read(each)
        raise ModelRefused(f"The checkpoint has no variable {name!r}.")

    signature = _signature(meta)
    return GraphSource(
        meta.graph_def,
        read_variable,
        shapes,
        tuple(each.name for each in signature.inputs.values()) if signature else (),
        tuple(each.name for each in signature.outputs.values()) if signature else (),
        tuple(_main_nodes(meta)),
    )


def _main_nodes(meta: Any) -> Iterator[str]:
    if _INIT in meta.signature_def:
        yield meta.signature_def[_INIT].outputs[_INIT].name.partition(":")[0]
    for name in _MAIN_COLLECTIONS:
        if name in meta.collection_def:
            yield from (
                each.partition(":")[0] for each in meta.collection_def[name].node_list.value
            )


def _signature(meta: Any) -> Any:
    """The serving signature, or the only one with inputs and outputs."""
    if _SIGNATURE in meta.signature_def:
        return meta.signature_def[_SIGNATURE]
    complete = [each for each in meta.signature_def.values() if each.inputs and each.outputs]
    return complete[0] if len(complete) == 1 else None


def _no_variable(name: str) -> NDArray[Any]:
    raise ModelRefused(f"Variable {name!r} needs a checkpoint.")
