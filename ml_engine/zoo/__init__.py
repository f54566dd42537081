"""The models that the engine knows: their sources, cards and figures."""

from ml_engine.zoo.cards import EmbedderCard, embedder_card
from ml_engine.zoo.fetch import default_weights_dir, ensure, fetch
from ml_engine.zoo.own import OwnCard, OwnNetwork, own_embedder
from ml_engine.zoo.preprocessing import Preprocessing
from ml_engine.zoo.presets import (
    ARTEFACTS,
    PRESETS,
    Artefact,
    Preset,
    preset,
    presets_of,
    version_of,
)

__all__ = [
    "ARTEFACTS",
    "PRESETS",
    "Artefact",
    "EmbedderCard",
    "OwnCard",
    "OwnNetwork",
    "Preprocessing",
    "Preset",
    "default_weights_dir",
    "embedder_card",
    "ensure",
    "fetch",
    "own_embedder",
    "preset",
    "presets_of",
    "version_of",
]
