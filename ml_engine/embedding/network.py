"""An embedder of one network: a preset's alignment and network, run on the device there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml_engine.align import TEMPLATE_112, TEMPLATE_150, align_faces
from ml_engine.embedding.base import unit
from ml_engine.quality import CROP_PX
from ml_engine.runtime.device import ResolvedDevice
from ml_engine.runtime.network import Network
from ml_engine.types import Float32, Image
from ml_engine.zoo import Preset, ensure


@dataclass(frozen=True, slots=True)
class _Row:
    module: str
    file: str
    template: Float32


# A literal table: an embedder is one row, one network file and its preset.
_NETWORKS = {
    "mobilefacenet": _Row("ml_engine.networks.mobilefacenet", "MobileFaceNet.tflite", TEMPLATE_112),
    "dlib_resnet": _Row(
        "ml_engine.networks.dlib_resnet",
        "dlib_face_recognition_resnet_model_v1.dat",
        TEMPLATE_150,
    ),
}


class NetworkEmbedder:
    """See `ml_engine.embedding.base.Embedder`. A crop is an array (size, size, 3)."""

    def __init__(self, card: Preset, template: Float32, network: Network) -> None:
        self.name = card.name
        self.dimension = int(card.dimension or 0)
        self.size = card.size
        self._template = template
        self._network = network

    def crops(self, image: Image, landmarks: Float32) -> list[NDArray[np.uint8]]:
        return list(align_faces(image, landmarks, self._template, self.size))

    def standard_crops(self, crops: list[NDArray[np.uint8]]) -> list[NDArray[np.uint8]] | None:
        return crops if self._template is TEMPLATE_112 and self.size == CROP_PX else None

    def embed_crops(self, crops: Sequence[NDArray[np.uint8]], *, flip: bool = False) -> Float32:
        if not len(crops):
            return np.empty((0, self.dimension), np.float32)
        batch = np.stack(crops)
        if flip:
            batch = np.concatenate([batch, batch[:, :, ::-1]])
        vectors = unit(self._network.run(batch)[0])
        return unit(vectors[: len(crops)] + vectors[len(crops) :]) if flip else vectors


def load_network_embedder(
    card: Preset, weights_dir: Path, device: ResolvedDevice
) -> NetworkEmbedder:
    """WeightsUnavailable where its weights were not fetched."""
    row = _NETWORKS[card.name]
    module: Any = import_module(row.module)
    weights = ensure(card.artefact, weights_dir)[row.file]
    network = device.network(
        lambda: module.build(weights),
        name=card.name,
        weights_sha256=card.sha256,
        cache_dir=weights_dir / "converted",
        batches=device.batches,
    )
    return NetworkEmbedder(card, row.template, network)
