"""Impostor curves of models: loaded from a file, or taken from an evaluation of a model in use."""

from __future__ import annotations

import copy
from dataclasses import dataclass

from django.db.models import Q

from accounts.audit import Actor
from ml_engine.matching import ImpostorCurve
from recognition.people.index.reading import TemplateReader
from recognition.people.model_versions import (
    curve_put,
    curve_store,
    detector_in_use,
    ensure_model_version,
    normalisation_of,
)
from recognition.people.models import Collection, ModelVersion
from recognition.people.models.curves import stored_curve
from recognition.people.rules import Counted, rules_if_any
from recognition.web.errors import ServiceError, not_found
from recognition.web.transactions import in_transaction


@dataclass(frozen=True, slots=True)
class CurveEffect:
    """now, then: the threshold of the model in a collection, by the curve in force and by the other
    one; None if there is none. removes_fixed: `now` was set by hand, and would be removed.
    measures: the collection's own curve would be out of force until it is measured again."""

    collection: Collection
    now: float | None
    then: float | None
    removes_fixed: bool
    measures: bool


def model_curve_update(*, preset: str, curve: ImpostorCurve | None, actor: Actor) -> ModelVersion:
    """Replace the preset's curve of a model; None restores it. The thresholds of all collections
    that use it follow; see `normalisation_follow` for those set by hand and own curves."""

    def update() -> ModelVersion:
        version = ensure_model_version(preset)
        curve_store(version, curve, actor)
        return version

    return in_transaction(update)


def evaluated_curve(version: ModelVersion) -> ImpostorCurve | None:
    """Of the last evaluation of a model in use, with the detector in use; None if there is none
    that waits."""
    values = version.evaluated_curves.get(detector_in_use())
    return stored_curve(values) if values else None


def evaluated_curve_use(*, version: ModelVersion, actor: Actor) -> ModelVersion:
    """Put the curve of the last evaluation in force. The thresholds of all collections that use the
    model follow. An evaluation mostly changes how scores are normalised: then thresholds that were
    set by hand are removed, and collections that use their own curve are measured again (see
    `curve_effects`). ServiceError 409 `no_evaluated_curve`."""

    def use() -> ModelVersion:
        row = ModelVersion.objects.select_for_update().filter(pk=version.pk).first()
        if row is None:
            raise not_found("model")
        curve = _waiting(row)
        curve_store(row, curve, actor)
        detector = detector_in_use()
        row.evaluated_curves = {
            name: each for name, each in row.evaluated_curves.items() if name != detector
        }
        row.save(update_fields=["evaluated_curves"])
        return row

    return in_transaction(use)


def curve_effects(version: ModelVersion) -> list[CurveEffect]:
    """What `evaluated_curve_use` would do; nothing is changed. ServiceError 409
    `no_evaluated_curve`."""
    other = copy.copy(version)
    curve_put(other, _waiting(version))
    rows = Collection.objects.select_related("embedder", "candidate").order_by("name")
    users = rows.filter(Q(embedder=version) | Q(candidate=version))
    return [_effect(row.seen_by(version), other) for row in users]


def _effect(collection: Collection, other: ModelVersion) -> CurveEffect:
    """other: the collection's embedder with another curve."""
    seen = copy.copy(collection)
    seen.embedder = other
    is_new = normalisation_of(other) != normalisation_of(collection.embedder)
    if is_new:
        seen.match_threshold = None
    return CurveEffect(
        collection,
        _threshold(collection),
        _threshold(seen),
        removes_fixed=is_new and collection.match_threshold is not None,
        measures=is_new and collection.uses_own_curve,
    )


def _waiting(version: ModelVersion) -> ImpostorCurve:
    curve = evaluated_curve(version)
    if curve is None:
        message = f"No evaluation of {version} left a curve that is not in force."
        raise ServiceError("no_evaluated_curve", message, status=409)
    return curve


def _threshold(collection: Collection) -> float | None:
    rules = rules_if_any(collection, Counted(TemplateReader.of(collection).size()))
    return rules.threshold if rules else None
