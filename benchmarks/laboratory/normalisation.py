"""What normalisation by a crowd is worth, and whether default thresholds hold with it, on people
who are in neither gallery nor crowd.

Crowd, impostor curve and rises of means are fitted on LFW's folds 1 to 3 and tested on folds 4 and
5, and the other way round: nobody is in both. People with more photos than are enrolled are the
known ones, with their other photos as probes, and people with one photo are the strangers. As in
service, enrolled photos are averaged with their mirror images, and others are not.

The crowd is compared with two cohorts of real faces: other people, and those enrolled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks.document import table
from ml_engine.evaluation.calibrate import impostor_curve, merged_people
from ml_engine.evaluation.cohort import mean_rises
from ml_engine.evaluation.collect import Collected, Variant, collect, nearest_centre
from ml_engine.evaluation.lfw import Photos, load_pairs, load_photos, of_folds
from ml_engine.evaluation.openset import Searches, fnir_at
from ml_engine.evaluation.report import Interval, percent, share_interval
from ml_engine.matching.calibration import DEFAULT_FPIR, ImpostorCurve
from ml_engine.matching.cohort import PLAIN, Cohort
from ml_engine.matching.crowd import Crowd, Norms, of_nearest
from ml_engine.matching.crowd_choice import Gain, crowd_gain, scaled_crowd
from ml_engine.matching.deciders import mean_template
from ml_engine.types import Float32

if TYPE_CHECKING:
    from ml_engine.engine import FaceEngine

HALVES = (((1, 2, 3), (4, 5)), ((4, 5), (1, 2, 3)))
# Photos of each person who is enrolled, and whether they are averaged.
CASES = ((1, False), (3, False), (3, True))
_OTHER_PEOPLE = 900
_ITSELF = 0.9999


@dataclass(frozen=True, slots=True)
class Row:
    """One way to enrol. fnir: at FPIR 1 % on folds 4 and 5, by the name of the cohort. named: at
    the default threshold, strangers of all folds who are named, without and with the crowd."""

    photos: int
    is_mean: bool
    enrolled: int
    probes: int
    fnir: dict[str, Interval]
    named: dict[str, Interval]

    @property
    def label(self) -> str:
        return f"{self.photos} {'averaged' if self.is_mean else 'nearest'}"


@dataclass(frozen=True, slots=True)
class NormalisationReport:
    """gain: of the crowd, in draws on folds 1 to 3."""

    preset: str
    strangers: int
    gain: Gain
    rows: list[Row]

    def as_dict(self) -> dict[str, object]:
        return asdict(self)

    def as_text(self) -> str:
        first = self.rows[0]
        cells = [
            [
                f"{self.preset}, {row.label}",
                str(row.enrolled),
                *map(str, row.fnir.values()),
                *(f"{percent(v.value)} ({percent(v.low)} to {percent(v.high)})"
                  for v in row.named.values()),
            ]
            for row in self.rows
        ]  # fmt: skip
        names = [f"FNIR, {name}" for name in first.fnir]
        head = ["", "enrolled", *names, *(f"named, {name}" for name in first.named)]
        choice = "taken" if self.gain.is_clear else "not taken"
        return (
            f"{self.preset}: the crowd is {choice}, by draws on folds 1 to 3: {self.gain}. FNIR at "
            f"FPIR 1 % on folds 4 and 5; strangers named at the default threshold, of "
            f"{self.strangers:,}.\n\n{table(head, cells)}"
        )


@dataclass(frozen=True, eq=False)
class _RealFaces(Crowd):
    """A cohort of faces (n, d) instead of a drawn one, without the face that is compared."""

    faces: Float32 = field(default_factory=lambda: np.empty((0, 0), np.float32))

    def norms(self, vectors: Float32) -> Norms:
        similarities = vectors @ self.faces.T
        similarities[similarities > _ITSELF] = -1
        return Norms(*of_nearest(similarities))


@dataclass(frozen=True, slots=True)
class Part:
    """Photos of some folds: the person of each, and its vectors (n, d), plain and averaged."""

    people: NDArray[np.intp]
    plain: Float32
    averaged: Float32
    photos: Photos

    @property
    def strangers(self) -> NDArray[np.intp]:
        """Rows of people with one photo."""
        _, first, counts = np.unique(self.people, return_index=True, return_counts=True)
        return first[counts == 1]


@dataclass(frozen=True, slots=True)
class Enrolled:
    """vectors (t, d) and the person of each; rows of the photos of these people that are left."""

    vectors: Float32
    people: NDArray[np.intp]
    probes: NDArray[np.intp]

    @classmethod
    def of(cls, part: Part, photos: int, *, is_mean: bool) -> Enrolled:
        rows = np.arange(len(part.people))
        _, start, counts = np.unique(part.people, return_index=True, return_counts=True)
        number = rows - np.repeat(start, counts)
        is_known = np.repeat(counts > photos, counts)
        chosen = rows[is_known & (number < photos)]
        vectors, people = part.averaged[chosen], part.people[chosen]
        if is_mean:
            people = people[::photos]
            vectors = np.stack([mean_template(each) for each in np.split(vectors, len(people))])
        return cls(vectors, people, rows[is_known & (number >= photos)])


def evaluate_normalisation(
    engine: FaceEngine, data: Path, presets: Sequence[str]
) -> list[NormalisationReport]:
    photos = load_photos(data)
    pairs = load_pairs(data, photos)
    variants = [Variant(preset, flip) for preset in presets for flip in (False, True)]
    found = collect(engine, photos.paths, variants, choose=nearest_centre, title="LFW")
    rows_of = {folds: of_folds(photos, pairs, folds)[0] for folds in HALVES[0]}
    return [
        normalisation_report(
            {folds: _part(photos, found, rows, preset) for folds, rows in rows_of.items()},
            preset=preset,
        )
        for preset in presets
    ]


def _part(photos: Photos, found: Collected, rows: NDArray[np.intp], preset: str) -> Part:
    there = photos.only(rows[found.has_face[rows]])
    kept = rows[found.has_face[rows]]
    # Two names of one person would be each other's strangers.
    order = np.argsort(merged_people(there), kind="stable")
    plain, averaged = (found.embeddings[Variant(preset, flip)][kept] for flip in (False, True))
    return Part(merged_people(there)[order], plain[order], averaged[order], there.only(order))


def normalisation_report(
    parts: dict[tuple[int, ...], Part], *, preset: str, cases: Sequence[tuple[int, bool]] = CASES
) -> NormalisationReport:
    """parts: by folds, each fitted on the other."""
    fitted, tested = HALVES[0]
    crowds = {folds: scaled_crowd(part.plain, part.people) for folds, part in parts.items()}
    rows = []
    for photos, is_mean in cases:
        gallery = Enrolled.of(parts[tested], photos, is_mean=is_mean)
        cohorts = {
            "plain": PLAIN,
            "drawn": replace(PLAIN, crowd=crowds[fitted]),
            "other people": _real(parts[fitted].plain[:_OTHER_PEOPLE], crowds[fitted]),
            "those enrolled": _real(gallery.vectors, crowds[fitted]),
        }
        fnir = {
            name: fnir_at(_searches(parts[tested], gallery, cohort), DEFAULT_FPIR)
            for name, cohort in cohorts.items()
        }
        named = {
            name: _named(parts, {f: c if name == "drawn" else None for f, c in crowds.items()},
                         photos, is_mean=is_mean)
            for name in ("plain", "drawn")
        }  # fmt: skip
        size = len(np.unique(gallery.people))
        rows.append(Row(photos, is_mean, size, len(gallery.probes), fnir, named))
    return NormalisationReport(
        preset=preset,
        strangers=sum(len(part.strangers) for part in parts.values()),
        gain=crowd_gain(parts[fitted].plain, parts[fitted].people),
        rows=rows,
    )


def _real(faces: Float32, like: Crowd) -> Cohort:
    crowd = _RealFaces(
        like.mean, like.axes, like.groups, like.centre, like.spread, like.share, faces
    )
    return replace(PLAIN, crowd=crowd)


def _searches(part: Part, gallery: Enrolled, cohort: Cohort) -> Searches:
    templates = cohort.seen(gallery.vectors)
    people, start = np.unique(gallery.people, return_index=True)

    def scores(rows: NDArray[np.intp]) -> Float32:
        each = cohort.scores_of_all(cohort.seen(part.plain[rows]), templates)
        return np.maximum.reduceat(each, start, axis=1)

    strangers = part.strangers
    return Searches(
        people,
        part.people[gallery.probes],
        part.people[strangers],
        scores(gallery.probes),
        scores(strangers),
    )


def _named(
    parts: dict[tuple[int, ...], Part],
    crowds: dict[tuple[int, ...], Crowd | None],
    photos: int,
    *,
    is_mean: bool,
) -> Interval:
    """Strangers of each part who are named at the threshold that the other part gives."""
    named = strangers = 0
    for fitted, tested in HALVES:
        crowd = crowds[fitted]
        gallery = Enrolled.of(parts[tested], photos, is_mean=is_mean)
        curve = _curve(parts[fitted], crowd)
        threshold = curve.threshold_for_gallery(len(gallery.people))
        if is_mean:
            threshold += curve.mean_rise(photos)
        searches = _searches(parts[tested], gallery, replace(PLAIN, crowd=crowd))
        named += int((searches.best_strangers >= threshold).sum())
        strangers += len(searches.stranger_people)
    return share_interval(named, strangers)


def _curve(part: Part, crowd: Crowd | None) -> ImpostorCurve:
    curve = impostor_curve(
        part.photos, part.plain, part.averaged, model="model", detector="detector", crowd=crowd
    )
    return replace(curve, mean_rises=mean_rises(part.averaged, part.people, crowd))
