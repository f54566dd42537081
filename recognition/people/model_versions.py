"""The row that stands for a preset of the engine."""

from __future__ import annotations

from typing import Any

from ml_engine.matching import ImpostorCurve
from ml_engine.matching.calibration import curve_of
from ml_engine.zoo import preset
from recognition.people.models import ModelVersion

# Marks a curve in its row's JSON that is not the preset's.
LOADED = "is_loaded"


def ensure_model_version(preset_name: str) -> ModelVersion:
    """The row of a preset at its hash, made or brought up to date with the preset's figures and
    impostor score curve; one that somebody loaded stays."""
    card = preset(preset_name)
    told: dict[str, Any] = {"figures": card.figures, "impostor_curve": _curve(preset_name)}
    version, is_new = ModelVersion.objects.get_or_create(
        preset=card.name,
        sha256=card.sha256,
        defaults={"role": card.role, "dimension": card.dimension, **told},
    )
    if version.impostor_curve.get(LOADED):
        del told["impostor_curve"]
    # A curve that is there stays where the preset brings none.
    changed = [name for name, value in told.items() if value and getattr(version, name) != value]
    if changed and not is_new:
        for name in changed:
            setattr(version, name, told[name])
        version.save(update_fields=changed)
    return version


def curve_told(preset_name: str, curve: ImpostorCurve | None) -> dict[str, object]:
    """As a row keeps it: a curve that is loaded, or the preset's own."""
    return curve.to_dict() | {LOADED: True} if curve else _curve(preset_name)


def _curve(preset_name: str) -> dict[str, object]:
    try:
        return curve_of(preset_name).to_dict()
    except KeyError:
        return {}
