"""The models that the engine knows: where they come from, what they are, what was measured."""

from ml_engine.zoo.cards import EmbedderCard, embedder_card
from ml_engine.zoo.fetch import default_weights_dir, ensure, fetch
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
    "Preset",
    "default_weights_dir",
    "embedder_card",
    "ensure",
    "fetch",
    "preset",
    "presets_of",
    "version_of",
]
