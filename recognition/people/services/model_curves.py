"""Impostor curves of models: loaded from a file, or taken from an evaluation of a model in use."""

from __future__ import annotations

import copy
from dataclasses import dataclass

from django.db.models import Q

from accounts.audit import Actor, record
from ml_engine.matching import ImpostorCurve
from recognition.people.index.reading import TemplateReader
from recognition.people.model_versions import curve_put, detector_in_use, ensure_model_version
from recognition.people.models import Collection, ModelVersion
from recognition.people.models.curves import stored_curve
from recognition.people.rules import Counted, rules_of
from recognition.web.errors import ServiceError, not_found
from recognition.web.transactions import in_transaction


@dataclass(frozen=True, slots=True)
class CurveEffect:
    """now, then: the threshold of the model in a collection, by the curve in force and by the other
    one; None if there is none."""

    collection: Collection
    now: float | None
    then: float | None


def model_curve_update(*, preset: str, curve: ImpostorCurve | None, actor: Actor) -> ModelVersion:
    """Replace the preset's curve of a model; None restores it. The thresholds of all collections
    that use it follow."""

    def update() -> ModelVersion:
        version = ensure_model_version(preset)
        curve_put(version, curve)
        version.save(update_fields=["impostor_curves"])
        record(actor, "model.curve", version, source=curve.source if curve else "preset")
        return version

    return in_transaction(update)


def evaluated_curve(version: ModelVersion) -> ImpostorCurve | None:
    """Of the last evaluation of a model in use, with the detector in use; None if there is none
    that waits."""
    values = version.evaluated_curves.get(detector_in_use())
    return stored_curve(values) if values else None


def evaluated_curve_use(*, version: ModelVersion, actor: Actor) -> ModelVersion:
    """Put the curve of the last evaluation in force. The thresholds of all collections that use the
    model follow, but those set by hand, and those of a collection's own curve. ServiceError 409
    `no_evaluated_curve`."""

    def use() -> ModelVersion:
        row = ModelVersion.objects.select_for_update().filter(pk=version.pk).first()
        if row is None:
            raise not_found("model")
        curve = _waiting(row)
        curve_put(row, curve)
        detector = detector_in_use()
        row.evaluated_curves = {
            name: each for name, each in row.evaluated_curves.items() if name != detector
        }
        row.save(update_fields=["impostor_curves", "evaluated_curves"])
        record(actor, "model.curve", row, source=curve.source)
        return row

    return in_transaction(use)


def curve_effects(version: ModelVersion) -> list[CurveEffect]:
    """What `evaluated_curve_use` would do. ServiceError 409 `no_evaluated_curve`."""
    other = copy.copy(version)
    curve_put(other, _waiting(version))
    rows = Collection.objects.select_related("embedder", "candidate").order_by("name")
    users = rows.filter(Q(embedder=version) | Q(candidate=version))
    return [CurveEffect(row, _threshold(row, version), _threshold(row, other)) for row in users]


def _waiting(version: ModelVersion) -> ImpostorCurve:
    curve = evaluated_curve(version)
    if curve is None:
        message = f"No evaluation of {version} left a curve that is not in force."
        raise ServiceError("no_evaluated_curve", message, status=409)
    return curve


def _threshold(collection: Collection, model: ModelVersion) -> float | None:
    """model: may have other curves than its row."""
    seen = copy.copy(collection.seen_by(model))
    seen.embedder = model
    try:
        return rules_of(seen, Counted(TemplateReader.of(seen).size())).threshold
    except ServiceError:  # there is no curve
        return None
