"""An embedder: a preset's alignment, preprocessing and network, run on the device there is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml_engine.align import TEMPLATE_112, TEMPLATE_150, align_faces
from ml_engine.quality import CROP_PX
from ml_engine.runtime.device import ResolvedDevice
from ml_engine.runtime.network import Network
from ml_engine.types import Float32, Image
from ml_engine.zoo import Preset, ensure, preset

BATCHES = (1, 8, 32)


@dataclass(frozen=True, slots=True)
class _Row:
    module: str
    file: str
    template: Float32


# A literal table: an embedder is one row, one network file and its preset.
_EMBEDDERS = {
    "mobilefacenet": _Row("ml_engine.networks.mobilefacenet", "MobileFaceNet.tflite", TEMPLATE_112),
    "dlib_resnet": _Row(
        "ml_engine.networks.dlib_resnet", "dlib_face_recognition_resnet_model_v1.dat", TEMPLATE_150
    ),
}


class Embedder:
    """Not thread-safe: the engine owns it. `name`, `dimension`: of the preset."""

    def __init__(
        self,
        card: Preset,
        template: Float32,
        preprocess: Callable[[NDArray[np.uint8]], Float32],
        network: Network,
    ) -> None:
        self.name = card.name
        self.dimension = int(card.dimension or 0)
        self.size = card.size
        # The cut that quality is measured on too: then it need not be made twice.
        self.crops_are_standard = template is TEMPLATE_112 and card.size == CROP_PX
        self._template = template
        self._preprocess = preprocess
        self._network = network

    def crops(self, image: Image, landmarks: Float32) -> NDArray[np.uint8]:
        """Landmarks (n, 5, 2) of one image to crops (n, size, size, 3)."""
        return align_faces(image, landmarks, self._template, self.size)

    def embed_crops(self, crops: NDArray[np.uint8], *, flip: bool = False) -> Float32:
        """Crops (n, size, size, 3) to (n, d) of length 1. `flip` averages each with its mirror
        image: twice the cost, fewer errors."""
        if not len(crops):
            return np.empty((0, self.dimension), np.float32)
        both = np.concatenate([crops, crops[:, :, ::-1]]) if flip else crops
        vectors = unit(self._network.run(self._preprocess(both))[0])
        if flip:
            vectors = unit(vectors[: len(crops)] + vectors[len(crops) :])
        return vectors

    def embed(self, items: Sequence[tuple[Image, Float32]], *, flip: bool = False) -> list[Float32]:
        """For each image with its landmarks (n, 5, 2): (n, d) float32 of length 1. One batch."""
        crops = [self.crops(image, landmarks) for image, landmarks in items]
        if not crops:
            return []
        vectors = self.embed_crops(np.concatenate(crops), flip=flip)
        return np.split(vectors, np.cumsum([len(part) for part in crops])[:-1])


def unit(vectors: Float32) -> Float32:
    """Rows scaled to length 1."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(norms, 1e-12)).astype(np.float32)


def load_embedder(name: str, weights_dir: Path, device: ResolvedDevice) -> Embedder:
    """Load a preset. WeightsUnavailable where its weights were not fetched."""
    card = preset(name)
    row = _EMBEDDERS[name]
    module: Any = import_module(row.module)
    weights = ensure(card.artefact, weights_dir)[row.file]
    network = device.network(
        lambda: module.build(weights),
        name=card.name,
        weights_sha256=card.sha256,
        cache_dir=weights_dir / "converted",
        batches=BATCHES,
    )
    return Embedder(card, row.template, module.preprocess, network)
