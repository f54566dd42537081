"""The models that the engine knows: where they come from, what they are, what was measured."""

from ml_engine.zoo.fetch import ensure, fetch
from ml_engine.zoo.presets import ARTEFACTS, PRESETS, Artefact, Preset, preset, presets_of

__all__ = [
    "ARTEFACTS",
    "PRESETS",
    "Artefact",
    "Preset",
    "ensure",
    "fetch",
    "preset",
    "presets_of",
]
