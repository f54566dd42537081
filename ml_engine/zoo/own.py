"""Embedders of the user's own, as `ml_engine.formats` left them: a card and a network.

    own/<hash of the card>/card.json      what the network takes and gives
                           network.tflite or network.onnx
                           graph.pb       the same as a TensorFlow graph, for GPUs; not always there

The card holds the hashes of the others, and the model's identity is the hash of the card: a file
that was changed is refused.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ml_engine.align import Alignment
from ml_engine.runtime.device import ResolvedDevice
from ml_engine.runtime.network import Batch, Network
from ml_engine.types import Float32, ModelUnusable, WeightsUnavailable
from ml_engine.zoo.cards import EmbedderCard
from ml_engine.zoo.preprocessing import Preprocessing

OWN_DIR = "own"
CARD_FILE = "card.json"
GRAPH_FILE = "graph.pb"
# In the folder of a model that was removed. Only such folders are deleted, and later: several sites
# may share the folder of weights.
REMOVED_MARK = "removed"
Runtime = Literal["litert", "onnxruntime"]
Layout = Literal["nhwc", "nchw"]
NETWORK_FILES: dict[Runtime, str] = {"litert": "network.tflite", "onnxruntime": "network.onnx"}
_FORMAT = 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
# Of a tensor of the user's file, which comes to stand in the card.
MAX_TENSOR_NAME = 200
MAX_CARD_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class OwnCard:
    """source: format of the user's file. source_sha256: of that file. input, output: its tensors.
    layout: of the input. batch: the only number of faces that the network takes at a time; 0 is
    any. network_sha256, graph_sha256: of the files beside the card; the second may be empty."""

    source: str
    source_sha256: str
    input: str
    output: str
    runtime: Runtime
    network_sha256: str
    graph_sha256: str
    size: int
    dimension: int
    layout: Layout = "nhwc"
    batch: int = 0
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    alignment: Alignment = "arcface"
    margin: float = 0.0
    format: int = _FORMAT

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self), indent=1, sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> OwnCard:
        """ValueError or TypeError for what is no card of this version."""
        if len(content) > MAX_CARD_BYTES:
            raise ValueError("it is too long for a card")
        told = json.loads(content)
        if not isinstance(told, dict) or told.get("format") != _FORMAT:
            raise ValueError("it is no card of this version")
        if unknown := set(told) - {each.name for each in fields(cls)}:
            raise ValueError(f"{', '.join(sorted(unknown))} is not known")
        card = cls(**told | {"preprocessing": Preprocessing.from_dict(told["preprocessing"])})
        card._check()
        return card

    def _check(self) -> None:
        hashes = (self.source_sha256, self.network_sha256, self.graph_sha256 or "0" * 64)
        if not all(_SHA256.fullmatch(each) for each in hashes) or self.runtime not in NETWORK_FILES:
            raise ValueError("hash or runtime is wrong")
        for name in (self.source, self.input, self.output):
            if not isinstance(name, str) or len(name) > MAX_TENSOR_NAME:
                raise ValueError("source, input or output is no short text")
        for number, least, most in (
            (self.size, 16, 1024),
            (self.dimension, 2, 1 << 16),
            (self.batch, 0, 1024),
        ):
            if not isinstance(number, int) or not least <= number <= most:
                raise ValueError(f"{number!r} is not between {least} and {most}")
        if self.layout not in ("nhwc", "nchw") or self.alignment not in ("arcface", "dlib", "box"):
            raise ValueError("layout or alignment is not known")
        if not isinstance(self.margin, int | float) or not 0 <= self.margin <= 2:
            raise ValueError("margin is not between 0 and 2")

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.to_bytes()).hexdigest()


@dataclass(frozen=True, slots=True)
class OwnNetwork:
    """See `NetworkSource`. folder: of the card, absolute or inside the folder of weights."""

    folder: Path
    card: OwnCard

    def network_path(self, weights_dir: Path) -> Path:
        return weights_dir / self.folder / NETWORK_FILES[self.card.runtime]

    def checked_path(self, weights_dir: Path) -> Path:
        """WeightsUnavailable if the network is missing or another file."""
        return _checked(self.network_path(weights_dir), self.card.network_sha256)

    def network(self, card: EmbedderCard, weights_dir: Path, device: ResolvedDevice) -> Network:
        """WeightsUnavailable if a file is missing or another one; ModelUnusable if it fails."""
        folder = weights_dir / self.folder
        own = self.card
        batches = (own.batch,) if own.batch else device.batches
        inner: Network
        if device.kind == "gpu" and own.graph_sha256:
            from ml_engine.runtime.tensorflow import TensorFlowNetwork

            path = _checked(folder / GRAPH_FILE, own.graph_sha256)
            devices = tuple(f"/GPU:{number}" for number in range(device.gpus))
            inner = TensorFlowNetwork(graph_builder(path), batches=batches, devices=devices)
        else:
            path = self.checked_path(weights_dir)
            inner = file_network(own.runtime, path, batches=batches, threads=device.threads)
        return PreparedNetwork(inner, own.preprocessing, own.layout, own.dimension)


class PreparedNetwork:
    """A network behind its preprocessing: it takes RGB pixels (n, size, size, 3).

    dimension: of its vectors; 0 if it is not known yet.
    """

    def __init__(
        self, inner: Network, preprocessing: Preprocessing, layout: Layout, dimension: int = 0
    ) -> None:
        self._inner = inner
        self._preprocessing = preprocessing
        self._layout = layout
        self._dimension = dimension

    def run(self, batch: Batch) -> tuple[NDArray[np.float32], ...]:
        try:
            vectors = np.asarray(self._inner.run(self._values(batch))[0], np.float32)
        except (RuntimeError, ValueError) as error:
            raise ModelUnusable("The network does not run.", detail=error) from error
        if vectors.size == vectors.shape[0] * max(vectors.shape[1:], default=1):
            vectors = vectors.reshape(len(vectors), -1)
        if self._dimension and vectors.shape != (len(batch), self._dimension):
            raise ModelUnusable(
                f"The network gives {vectors.shape} for {len(batch)} faces, and not a vector of "
                f"{self._dimension} for each."
            )
        return (vectors,)

    def prepare(self, size: tuple[int, int, int]) -> None:
        self.run(np.zeros((1, *size), np.uint8))

    def _values(self, batch: Batch) -> Float32:
        values = self._preprocessing.apply(batch)
        if self._layout == "nchw":
            values = np.ascontiguousarray(values.transpose(0, 3, 1, 2))
        return values


def file_network(
    runtime: Runtime, path: Path, *, batches: tuple[int, ...] = (1, 2, 4, 8), threads: int = 0
) -> Network:
    """The network of a LiteRT or ONNX file, without preprocessing."""
    if runtime == "onnxruntime":
        from ml_engine.runtime.onnx import OnnxNetwork

        return OnnxNetwork(path, batches=batches, threads=threads)
    from ml_engine.runtime.litert import LiteRtFile

    return LiteRtFile(path, batches=batches, threads=threads)


def graph_builder(path: Path) -> Callable[[], Any]:
    """For `TensorFlowNetwork`: a folded graph as a function of its input."""

    def build() -> Any:
        import tensorflow as tf

        graph = tf.compat.v1.GraphDef()
        graph.ParseFromString(path.read_bytes())
        # XLA compiles no placeholder, even one that nothing uses any more.
        kept = [node for node in graph.node if node.op != "Placeholder"]
        del graph.node[:]
        graph.node.extend(kept)

        def call(batch: Any, *, training: bool) -> Any:
            return tf.graph_util.import_graph_def(
                graph, input_map={"input:0": batch}, return_elements=["output:0"], name=""
            )

        return call

    return build


def own_embedder(name: str, folder: Path, weights_dir: Path, sha256: str = "") -> EmbedderCard:
    """The card of an embedder of the user's own.

    Args:
        folder: absolute, or inside the folder of weights.
        sha256: of the card, if it is known.

    Raises:
        ValueError: the name has characters that a version or a file name cannot have.
        WeightsUnavailable: there is no card, or another one.
    """
    check_name(name)
    path = weights_dir / folder / CARD_FILE
    try:
        with path.open("rb") as file:
            content = file.read(MAX_CARD_BYTES + 1)
        found = hashlib.sha256(content).hexdigest()
        if sha256 and found != sha256:
            raise WeightsUnavailable(f"The card of {name} was changed.", detail=path)
        card = OwnCard.from_bytes(content)
    except OSError as error:
        message = f"The card of {name} cannot be read. Add the model again."
        raise WeightsUnavailable(message, detail=path) from error
    except (ValueError, TypeError, KeyError) as error:
        message = f"The card of {name} cannot be used."
        raise WeightsUnavailable(message, detail=f"{path}: {error}") from error
    return EmbedderCard(
        name, found, card.dimension, card.size, card.alignment, OwnNetwork(folder, card),
        margin=card.margin,
    )  # fmt: skip


def check_name(name: str) -> None:
    """It becomes part of file names, and "@" divides it from the hash."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a model: letters, digits, '_', '.' and '-' only.")


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checked(path: Path, sha256: str) -> Path:
    try:
        found = sha256_of(path)
    except OSError as error:
        message = f"{path.name} cannot be read: {error.strerror}. Add the model again."
        raise WeightsUnavailable(message, detail=path) from error
    if found != sha256:
        raise WeightsUnavailable(f"{path.name} is not the file of this model.", detail=path)
    return path
