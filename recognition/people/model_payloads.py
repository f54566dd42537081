"""Models as JSON: for REST and `manage.py models show`."""

from __future__ import annotations

from ml_engine.zoo import PRESETS, Preset
from recognition.people.models import ModelVersion
from recognition.web.boundaries import JsonDict


def model_payloads() -> list[JsonDict]:
    """Presets, then models of the user's own and versions that are no longer installed."""
    versions = {row.version: row for row in ModelVersion.objects.all()}
    presets = [_preset(card, versions.pop(card.version, None)) for card in PRESETS.values()]
    return presets + [_other(row) for row in versions.values()]


def model_payload(row: ModelVersion) -> JsonDict:
    preset = PRESETS.get(row.name)
    is_installed = preset is not None and preset.version == row.version
    return _preset(preset, row) if preset is not None and is_installed else _other(row)


def _preset(preset: Preset, version: ModelVersion | None) -> JsonDict:
    names = ("role", "sha256", "dimension", "licence", "training_data", "about")
    return {
        "id": version.pk if version else None,
        "name": preset.name,
        "version": preset.version,
        "source": ModelVersion.Source.PRESET,
        "state": version.state if version else ModelVersion.State.USABLE,
        **{name: getattr(preset, name) for name in names},
        "people_gone": 0,
        "figures": version.figures if version else preset.figures,
        **_curves(version),
        "report": {},
    }


def _other(row: ModelVersion) -> JsonDict:
    """A model of the user's own, or a version of a preset that is no longer installed."""
    is_file = row.source == ModelVersion.Source.FILE
    names = ("name", "version", "role", "source", "state", "sha256", "dimension")
    return {
        "id": row.pk,
        **{
            name: getattr(row, name) for name in (*names, "licence", "training_data", "people_gone")
        },
        "about": "A model of your own." if is_file else "Not the installed version.",
        "figures": row.figures,
        **_curves(row),
        "report": row.report,
    }


def _curves(row: ModelVersion | None) -> JsonDict:
    told = [
        {"detector": detector, "source": curve["source"], "pairs": curve["pairs"]}
        for detector, curve in (row.impostor_curves.items() if row else ())
    ]
    return {"curves": told, "has_evaluated_curve": bool(row and row.evaluated_curves)}
