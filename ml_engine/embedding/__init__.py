"""Aligned faces to embeddings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ml_engine.embedding.aligner import Aligner, aligner_of
from ml_engine.embedding.base import Crop, Embedder
from ml_engine.embedding.fusion import FusionEmbedder
from ml_engine.embedding.network import load_network_embedder
from ml_engine.runtime.device import ResolvedDevice
from ml_engine.zoo import EmbedderCard

__all__ = ["Aligner", "Crop", "Embedder", "aligner_of", "load_embedder"]


def load_embedder(
    card: EmbedderCard,
    weights_dir: Path,
    device: ResolvedDevice,
    part: Callable[[EmbedderCard], Embedder],
) -> Embedder:
    """Load the embedder of a card. WeightsUnavailable if its weights are missing.

    Args:
        part: gives the embedders that this one is made of, so that none is loaded twice.
    """
    if card.parts:
        return FusionEmbedder([(part(other), weight) for other, weight in card.parts])
    return load_network_embedder(card, weights_dir, device)
