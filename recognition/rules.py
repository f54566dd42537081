"""When a face is somebody: the threshold in force in a collection, and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ml_engine.matching import ImpostorCurve
from recognition.errors import ServiceError
from recognition.gallery import Gallery
from recognition.models import Collection

RuleSource = Literal["fixed", "target_rate", "gallery_size"]


@dataclass(frozen=True, slots=True)
class Rules:
    """What makes a match in a collection now. `source`: where the threshold comes from."""

    threshold: float
    margin: float
    source: RuleSource
    curve: ImpostorCurve | None


def curve_of_collection(collection: Collection) -> ImpostorCurve | None:
    """The impostor score curve of the collection's embedder; None where there is none."""
    values = collection.embedder.impostor_curve
    return ImpostorCurve.from_dict(values) if values else None


def rules_of(collection: Collection, gallery: Gallery) -> Rules:
    """The rules in force. ServiceError 409 where the threshold must come from a curve, and the
    embedder has none."""
    curve = curve_of_collection(collection)
    margin = collection.match_margin
    if collection.match_threshold is not None:
        return Rules(collection.match_threshold, margin, "fixed", curve)
    if curve is None:
        raise uncalibrated(collection.embedder.preset)
    if collection.target_false_match_rate is not None:
        threshold = curve.threshold(collection.target_false_match_rate)
        return Rules(threshold, margin, "target_rate", curve)
    threshold = curve.threshold_for_gallery(gallery.size[1])
    return Rules(threshold, margin, "gallery_size", curve)


def uncalibrated(preset: str) -> ServiceError:
    message = f"Nothing is known about the scores of {preset}: set a threshold by hand."
    return ServiceError("no_threshold", message, status=409)
