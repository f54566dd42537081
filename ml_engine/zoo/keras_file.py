"""Embedders in Keras files of the user's own.

A file (`.keras` or `.h5`) has one input, a batch of faces (n, size, size, 3), and one output, a
batch of vectors (n, d). Keras loads it in its safe mode, which runs no code of the file.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ml_engine.align import Alignment
from ml_engine.types import ModelUnusable, WeightsUnavailable
from ml_engine.zoo.cards import EmbedderCard

# It becomes part of file names, and "@" divides it from the hash.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """Pixels 0..255 to the values that a network takes: (pixel - mean) / scale.

    channels: the order that the network takes.
    """

    mean: float = 127.5
    scale: float = 128.0
    channels: Literal["rgb", "bgr"] = "rgb"


@dataclass(frozen=True, slots=True)
class KerasFile:
    """A network in a file; see `NetworkSource`.

    path: absolute, or inside the folder of weights.
    """

    path: Path
    sha256: str
    size: int
    dimension: int
    preprocessing: Preprocessing

    @property
    def recipe(self) -> str:
        made_of = self.preprocessing
        return f"{self.size} {made_of.mean!r} {made_of.scale!r} {made_of.channels}"

    def builder(self, weights_dir: Path) -> Callable[[], Any]:
        path = weights_dir / self.path
        try:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            message = f"{path.name} cannot be read: {error.strerror}. Bring the file back."
            raise WeightsUnavailable(message, detail=path) from error
        if found != self.sha256:
            raise WeightsUnavailable(
                f"{path.name} is not the file of this model: SHA-256 {found} instead of "
                f"{self.sha256}.",
                detail=path,
            )
        return lambda: self._built(path)

    def _built(self, path: Path) -> Any:
        import keras

        try:
            network = keras.saving.load_model(path, compile=False, safe_mode=True)
            pixels = keras.Input((self.size, self.size, 3))
            values = (pixels - self.preprocessing.mean) / self.preprocessing.scale
            if self.preprocessing.channels == "bgr":
                values = values[..., ::-1]
            vectors = network(values, training=False)
        except Exception as error:  # Keras raises nearly anything for a file that does not fit
            raise ModelUnusable(
                f"{path.name} cannot be used.", detail=f"{path}: {error}"
            ) from error
        if getattr(vectors, "shape", None) != (None, self.dimension):
            raise ModelUnusable(
                f"{path.name} gives {_shapes(vectors)} for a face of {self.size} pixels, and not a "
                f"vector of {self.dimension}.",
                detail=path,
            )
        return keras.Model(pixels, vectors)


def _shapes(output: Any) -> str:
    return str(getattr(output, "shape", "several outputs"))


def keras_card(
    name: str,
    path: Path,
    sha256: str,
    *,
    size: int,
    dimension: int,
    preprocessing: Preprocessing | None = None,
    alignment: Alignment = "arcface",
) -> EmbedderCard:
    """The card of an embedder in a Keras file.

    Its version is the name and the hash of the file. So the same file with another size, alignment
    or preprocessing, which gives other vectors, needs another name.

    Args:
        path: absolute, or inside the folder of weights.
        sha256: of the file; another file is refused.
        size: side of the input in pixels.
        dimension: of the output.

    Raises:
        ValueError: the name has characters that a version or a file name cannot have.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a model: letters, digits, '_', '.' and '-' only.")
    source = KerasFile(path, sha256, size, dimension, preprocessing or Preprocessing())
    return EmbedderCard(name, sha256, dimension, size, alignment, source)
