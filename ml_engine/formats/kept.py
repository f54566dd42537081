"""The files of a model as they are kept, checked once more. Called in a child process only.

The first child reads a file that nobody vouches for, through large libraries. If one of them has a
fault, what it wrote is not what was checked. So a second child, which never sees the user's file,
holds what is kept against the same lists, and compares its vectors with those of the first probe.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ml_engine.formats import operations
from ml_engine.formats.messages import Messages, message_classes
from ml_engine.formats.onnx_file import read_onnx
from ml_engine.formats.operations import OperationRefused
from ml_engine.formats.probe import made_up_faces, same_vectors
from ml_engine.formats.tflite_file import read_tflite
from ml_engine.types import Float32, ModelRefused
from ml_engine.zoo.own import (
    CARD_FILE,
    GRAPH_FILE,
    NETWORK_FILES,
    OwnCard,
    PreparedNetwork,
    file_network,
)

_GRAPH: Messages = {
    "GraphDef": {"node": (1, "NodeDef*"), "library": (2, "Library")},
    "NodeDef": {"name": (1, "string"), "op": (2, "string")},
    "Library": {"function": (1, "bytes*")},
}
_OF_GRAPHS = operations.ALLOWED | {"Const", "Placeholder", "Identity"}


def check_kept(folder: Path, expected: Float32) -> None:
    """Args:

    expected: the vectors (n, d) of the made-up faces, by the first probe.

    Raises:
        ModelRefused: a file holds what is not allowed, or gives other vectors.
    """
    card = OwnCard.from_bytes((folder / CARD_FILE).read_bytes())
    path = folder / NETWORK_FILES[card.runtime]
    read = read_onnx if card.runtime == "onnxruntime" else read_tflite
    read(path)
    if card.graph_sha256:
        check_graph((folder / GRAPH_FILE).read_bytes())
    batches = (card.batch,) if card.batch else (1, 2, 4, 8)
    inner = file_network(card.runtime, path, batches=batches, threads=1)
    network = PreparedNetwork(inner, card.preprocessing, card.layout, card.dimension)
    if not same_vectors(network.run(made_up_faces(card.size))[0], expected):
        raise ModelRefused("The network that was kept gives other vectors than when it was made.")


def check_graph(content: bytes) -> None:
    """A folded graph, without TensorFlow. OperationRefused; ModelRefused if it is damaged."""
    from google.protobuf.message import DecodeError

    graph = _graph_class()()
    try:
        graph.ParseFromString(content)
    except DecodeError as error:
        raise ModelRefused("The graph that was kept is damaged.") from error
    for node in graph.node:
        if node.op not in _OF_GRAPHS:
            raise OperationRefused(node.op, node.name)
    if graph.library.function:
        raise ModelRefused("The graph that was kept has functions of its own.")


@cache
def _graph_class() -> Any:
    return message_classes("facerec_graph", _GRAPH)["GraphDef"]


def vectors_in(path: Path) -> Float32:
    """ModelRefused if it is no list of vectors."""
    try:
        vectors = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ModelRefused("The first probe left no vectors.", detail=error) from error
    if not isinstance(vectors, np.ndarray) or vectors.dtype != np.float32 or vectors.ndim != 2:
        raise ModelRefused("The first probe left no vectors.")
    return vectors
