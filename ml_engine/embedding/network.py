"""An embedder of one network, run on the device of the process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ml_engine.embedding.base import unit
from ml_engine.runtime.device import ResolvedDevice
from ml_engine.runtime.network import Network
from ml_engine.types import Float32
from ml_engine.zoo import EmbedderCard


class NetworkEmbedder:
    """See `ml_engine.embedding.base.Embedder`. A crop is an array (size, size, 3)."""

    def __init__(self, dimension: int, network: Network) -> None:
        self.dimension = dimension
        self._network = network

    def embed_crops(self, crops: Sequence[NDArray[np.uint8]], *, flip: bool = False) -> Float32:
        if not len(crops):
            return np.empty((0, self.dimension), np.float32)
        batch = np.stack(crops)
        if flip:
            batch = np.concatenate([batch, batch[:, :, ::-1]])
        vectors = unit(self._network.run(batch)[0])
        return unit(vectors[: len(crops)] + vectors[len(crops) :]) if flip else vectors


def load_network_embedder(
    card: EmbedderCard, weights_dir: Path, device: ResolvedDevice
) -> NetworkEmbedder:
    """WeightsUnavailable if its weights are missing; ModelUnusable if they do not fit the card."""
    assert card.source is not None  # a card without parts has a network
    return NetworkEmbedder(card.dimension, card.source.network(card, weights_dir, device))
