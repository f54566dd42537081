"""Figures of a measured collection, as stored in the JSON of its row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TypedDict
from uuid import UUID

from ml_engine.matching.decider_trial import DeciderResult
from ml_engine.matching.error_rates import ErrorRates
from recognition.people.models import Person
from recognition.web.boundaries import JsonDict


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


class DiscardPointFigures(TypedDict):
    discarded: float
    fnmr: float


class DeciderFigures(TypedDict):
    """A way to rank people, tried on the collection's own: see
    `ml_engine.matching.decider_trial`."""

    name: str
    missed: float
    missed_deviation: float
    gain: float
    gain_deviation: float
    is_better: bool


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
    discard: list[DiscardPointFigures]
    discard_fmr: float | None
    deciders: list[DeciderFigures]
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


def measured_figures(
    rates: ErrorRates, deciders: Sequence[DeciderResult], names: Sequence[UUID]
) -> JsonDict:
    """As JSON, without people deleted meanwhile. people, templates: the numbers compared. names:
    the people by their numbers."""
    pairs = {pair: {names[pair.first], names[pair.second]} for pair in rates.similar_pairs}
    there = set(Person.objects.in_bulk(set().union(*pairs.values())))
    similar_pairs = [
        {
            "people": [str(names[pair.first]), str(names[pair.second])],
            "similarity": round(pair.similarity, 4),
            "is_left_out": pair.is_left_out,
        }
        for pair, people in pairs.items()
        if people <= there
    ]
    plain = asdict(rates)
    plain.pop("curve")
    tried = [asdict(each) | {"is_better": each.is_better} for each in deciders]
    return plain | {"similar_pairs": similar_pairs, "deciders": tried}
