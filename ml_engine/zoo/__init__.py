"""The models that the engine knows: where they come from, what they are, what was measured."""

from ml_engine.zoo.fetch import default_weights_dir, ensure, fetch
from ml_engine.zoo.presets import ARTEFACTS, PRESETS, Artefact, Preset, preset, presets_of

__all__ = [
    "ARTEFACTS",
    "PRESETS",
    "Artefact",
    "Preset",
    "default_weights_dir",
    "ensure",
    "fetch",
    "preset",
    "presets_of",
]
