"""The curves of a measured collection as pictures."""

from __future__ import annotations

from ml_engine.matching.det_picture import DARK, LIGHT, Threshold, det_svg
from ml_engine.matching.discard_picture import discard_svg
from ml_engine.matching.scores_picture import scores_svg
from recognition.people.services.calibration import CalibrationState, nearest
from recognition.web.errors import not_found


def det_picture(state: CalibrationState, *, is_dark: bool = False) -> bytes:
    """The DET curve as SVG, with marks at the threshold of the own curve and at those of round
    rates. ServiceError 404 if no person has two images."""
    points = state.det
    if not points:
        raise not_found("curve: nobody has two images")
    own = state.own_threshold
    labels = {point["threshold"]: f"{point['threshold']:.3f}" for point in state.points}
    labels[own] = f"its own threshold, {own:.3f}"
    thresholds = [
        Threshold(label, near, is_main=threshold == own)
        for threshold, label in labels.items()
        if (near := nearest(points, threshold))
    ]
    return det_svg(
        points,
        measured_until=state.measured_until,
        thresholds=thresholds,
        theme=DARK if is_dark else LIGHT,
    )


def discard_picture(state: CalibrationState, *, is_dark: bool = False) -> bytes:
    """The error-against-discard curve as SVG. ServiceError 404 if no person has two images."""
    if not state.discard:
        raise not_found("curve: nobody has two images")
    return discard_svg(state.discard, theme=DARK if is_dark else LIGHT)


def scores_picture(state: CalibrationState, *, is_dark: bool = False) -> bytes:
    """The genuine and impostor curves as SVG. ServiceError 404 if no person has two images."""
    if not state.det:
        raise not_found("curve: nobody has two images")
    theme = DARK if is_dark else LIGHT
    return scores_svg(state.det, threshold=state.own_threshold, theme=theme)
