"""Figures of a measured collection, as its row keeps them in JSON."""

from __future__ import annotations

from typing import TypedDict


class OperatingPointFigures(TypedDict):
    """A rate of false matches, and what it costs. fnmr: None if no person has two images.

    has_enough_pairs: so many pairs of people match that they tell the rate.
    """

    fmr: float
    threshold: float
    fnmr: float | None
    fnmr_interval: list[float] | None
    false_match_count: int
    has_enough_pairs: bool


class DetPointFigures(TypedDict):
    threshold: float
    fmr: float
    fnmr: float


class SimilarPairFigures(TypedDict):
    """Two people, by id, who would match each other."""

    people: list[str]
    similarity: float
    is_left_out: bool


class CalibrationFigures(TypedDict):
    """people, templates: that were compared; the totals are those of the gallery."""

    people: int
    templates: int
    repeated: int
    impostor_pairs: int
    genuine_pairs: int
    eer: float | None
    eer_threshold: float | None
    points: list[OperatingPointFigures]
    det: list[DetPointFigures]
    similar_pairs: list[SimilarPairFigures]
    similar_pairs_total: int
    people_total: int
    templates_total: int
    similar_from: float
