"""Aligned faces to embeddings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ml_engine.embedding.base import Crop, Embedder
from ml_engine.embedding.fusion import FusionEmbedder
from ml_engine.embedding.network import load_network_embedder
from ml_engine.runtime.device import ResolvedDevice
from ml_engine.zoo import preset

__all__ = ["Crop", "Embedder", "load_embedder"]


def load_embedder(
    name: str, weights_dir: Path, device: ResolvedDevice, part: Callable[[str], Embedder]
) -> Embedder:
    """Load a preset. WeightsUnavailable where its weights were not fetched.

    part: gives the embedders that this one is made of, so that they are not loaded twice.
    """
    card = preset(name)
    if card.parts:
        return FusionEmbedder(card, [(part(other), weight) for other, weight in card.parts])
    return load_network_embedder(card, weights_dir, device)
