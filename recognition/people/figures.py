"""Figures of a measured collection, as stored in the JSON of its row."""

from __future__ import annotations

from typing import TypedDict


class OperatingPointFigures(TypedDict):
    """A false match rate, its threshold and its false non-match rate.

    fnmr: None if no person has two images. has_enough_pairs: True if enough pairs match to measure
    the rate.
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
    """people, templates: the numbers compared; the totals count the whole gallery."""

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


class MissedFigures(TypedDict):
    """At the threshold of a model: people with several images, and how many of them would be missed
    by most of their images."""

    threshold: float
    people: int
    missed: int
