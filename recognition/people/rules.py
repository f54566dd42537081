"""The rules for a match: the threshold in force in a collection, and its source."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Protocol

from ml_engine.matching import ImpostorCurve
from ml_engine.matching.calibration import DEFAULT_FPIR
from ml_engine.matching.cohort import PLAIN, Cohort
from recognition.people.model_versions import curve_in_use, detector_in_use
from recognition.people.models import Calibration, Collection, TrainedDecider
from recognition.people.models.curves import stored_curve
from recognition.web.errors import ServiceError

RuleSource = Literal["fixed", "target_rate", "gallery_size"]
CurveSource = Literal["model", "own"]


class Sized(Protocol):
    """A gallery, of which only its size matters."""

    @property
    def size(self) -> tuple[int, int]:
        """People and templates."""


@dataclass(frozen=True, slots=True)
class Counted:
    """The size of a gallery that is not loaded, as that of a candidate."""

    size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Rules:
    """The present rules for a match in a collection. `source`: where the threshold comes from;
    `curve_source`: which curve gives the rates, the model's or the collection's own. `model`: the
    version that they are for."""

    model: str
    threshold: float
    margin: float
    source: RuleSource
    curve: ImpostorCurve | None
    curve_source: CurveSource = "model"

    @property
    def is_fixed(self) -> bool:
        """True if the threshold was set by hand. Then it is the same in all kinds of pictures."""
        return self.source == "fixed"

    @property
    def scoring(self) -> Cohort:
        """Makes the scores that are compared with the threshold."""
        return PLAIN if self.curve is None or self.is_fixed else self.curve.scoring

    def fixed_at(self, threshold: float | None) -> Rules:
        """With another threshold, set by hand; None changes nothing."""
        return self if threshold is None else replace(self, threshold=threshold, source="fixed")


def curve_of_collection(collection: Collection) -> ImpostorCurve | None:
    """The impostor score curve in force; None if there is none."""
    return _curve_in_force(collection)[0]


def rules_of(collection: Collection, gallery: Sized) -> Rules:
    """The rules in force. ServiceError 409 if the threshold must come from a curve and the embedder
    has none."""
    curve, curve_source = _curve_in_force(collection)
    model = collection.embedder.version

    def rules(threshold: float, source: RuleSource) -> Rules:
        return Rules(model, threshold, collection.match_margin, source, curve, curve_source)

    if collection.match_threshold is not None:
        return rules(collection.match_threshold, "fixed")
    if curve is None:
        raise uncalibrated(model)
    if collection.target_false_match_rate is not None:
        return rules(curve.threshold(collection.target_false_match_rate), "target_rate")
    return rules(threshold_for_gallery(curve, collection, gallery), "gallery_size")


def rules_if_any(collection: Collection, gallery: Sized) -> Rules | None:
    """For what only shows or counts by the rules: None without a threshold."""
    try:
        return rules_of(collection, gallery)
    except ServiceError:
        return None


def threshold_for_gallery(curve: ImpostorCurve, collection: Collection, gallery: Sized) -> float:
    """The threshold that names a stranger no more often than the collection's target rate. A
    stranger is compared with every template, or with one mean of each person."""
    fpir = collection.target_false_positive_rate or DEFAULT_FPIR
    people, templates = gallery.size
    compared = people if collection.decider == Collection.Decider.MEAN else templates
    return curve.threshold_for_gallery(compared, fpir)


def calibration_of(collection: Collection) -> Calibration | None:
    """The measurement of the collection with the models and the normalisation in use."""
    rows = Calibration.objects.filter(collection=collection.pk, model=collection.embedder_id)
    row, model = rows.first(), model_curve(collection)
    if row is None:
        return None
    own = stored_curve(row.impostor_curve)
    normalisation = model.normalisation if model else ""
    is_in_use = (own.detector, own.normalisation) == (detector_in_use(), normalisation)
    return row if is_in_use else None


def decider_in_force(collection: Collection) -> str:
    """The nearest decides until the SVM is trained with the embedder in use."""
    svm = Collection.Decider.SVM
    rows = TrainedDecider.objects.filter(collection=collection.pk, model=collection.embedder_id)
    if collection.decider == svm and not rows.exists():
        return Collection.Decider.NEAREST
    return collection.decider


def model_curve(collection: Collection) -> ImpostorCurve | None:
    """The curve of the collection's embedder with the detector in use."""
    return curve_in_use(collection.embedder)


def own_curve(calibration: Calibration, model: ImpostorCurve | None) -> ImpostorCurve:
    """The collection's own curve, extended by the model's."""
    own = stored_curve(calibration.impostor_curve)
    return own.continued_by(model) if model else own


def _curve_in_force(collection: Collection) -> tuple[ImpostorCurve | None, CurveSource]:
    model = model_curve(collection)
    calibration = calibration_of(collection) if collection.uses_own_curve else None
    return (own_curve(calibration, model), "own") if calibration else (model, "model")


def uncalibrated(model: str) -> ServiceError:
    message = (
        f"The threshold is not calibrated: nothing is known about the scores of {model} with "
        f"{detector_in_use()}. Set a threshold by hand, or load a curve."
    )
    return ServiceError("no_threshold", message, status=409)
