"""Are strangers named as rarely as promised, in every kind of picture?

People of LFW are chosen at random. Some are enrolled with one photo each, some are strangers, and
the impostor curve, its cohort, and its crowd if the embedder has one are fitted on the rest.
Photos are degraded in the kinds of `ml_engine.evaluation.degradations`. There is one gallery for
each kind, and one in which each person has a random kind ("mixed"). Strangers, and other photos of
the enrolled people, are identified in each kind and mixed. The rules are those of the product: the
default threshold for this number of templates, raised by the cohort; enrolled faces are averaged
with their mirror images, others are not. Photos that the standard quality policy refuses are not
enrolled, and their people count as not named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ml_engine.evaluation.calibrate import impostor_curve, merged_people
from ml_engine.evaluation.cohort import faces_of_kinds, fitted_cohort
from ml_engine.evaluation.collect import Collected, Variant
from ml_engine.evaluation.degradations import KINDS, WORSE
from ml_engine.evaluation.lfw import Photos, load_photos
from ml_engine.evaluation.report import Interval, percent, share_interval
from ml_engine.matching.calibration import DEFAULT_FPIR, ImpostorCurve, curve_of
from ml_engine.matching.cohort import Cohort
from ml_engine.matching.crowd_choice import scaled_crowd
from ml_engine.quality import refusals
from ml_engine.types import EngineError, Float32

if TYPE_CHECKING:
    from ml_engine.engine import FaceEngine

# Fitting does not need more people than these.
_MOST_REST = 600
MIXED = "mixed"
# Promised for each kind of picture.
_MOST_FPIR = 0.017
_PROBES_EACH = 1
_SEED = 1
# The similarity of a face that was not found.
_NOBODY = -2.0


@dataclass(frozen=True, slots=True)
class Cell:
    """People enrolled in one kind, faces that come by in one kind.

    strangers: share of strangers who were named. known: share of photos of people enrolled that
        were named rightly. before: both without the rise for poor pictures.
    """

    enrolled: str
    seen: str
    strangers: Interval
    known: float
    refused: float
    before: tuple[float, float]


@dataclass(frozen=True, slots=True)
class KindsReport:
    preset: str
    threshold: float
    enrolled: int
    probes: int
    strangers: int
    cells: list[Cell]

    @property
    def broken(self) -> list[Cell]:
        """Cells that break the promise: the whole interval is above the target, or the share is
        above what is promised at most."""
        return [
            cell
            for cell in self.cells
            if cell.strangers.low > DEFAULT_FPIR or cell.strangers.value > _MOST_FPIR
        ]

    def as_dict(self) -> dict[str, object]:
        return asdict(self)

    def as_text(self) -> str:
        worst = max(self.cells, key=lambda cell: cell.strangers.value)
        head = (
            f"{self.preset}: {self.enrolled} enrolled, {self.probes} other photos of them, "
            f"{self.strangers:,} strangers; threshold {self.threshold:.3f} for clear faces; "
            f"{percent(DEFAULT_FPIR)} of strangers aimed at"
        )
        lines = [
            f"| {cell.enrolled} | {cell.seen} | {_text(cell.strangers)} | {percent(cell.known)} "
            f"| {percent(cell.refused)} | {percent(cell.before[0])} | {percent(cell.before[1])} |"
            for cell in self.cells
        ]
        return "\n".join(
            [
                head,
                "| enrolled | seen | strangers named (95 %) | known named | refused "
                "| strangers without cohort | known without |",
                "| --- | --- | --- | ---: | ---: | ---: | ---: |",
                *lines,
                f"most: {worst.enrolled} and {worst.seen}, {_text(worst.strangers)}; cells whose "
                f"interval lies above {percent(DEFAULT_FPIR)}, or over {percent(_MOST_FPIR)}: "
                f"{len(self.broken)} of {len(self.cells)}",
            ]
        )


def evaluate_kinds(
    engine: FaceEngine,
    data: Path,
    presets: Sequence[str],
    *,
    enrolled: int,
    strangers: int,
) -> list[KindsReport]:
    photos = load_photos(data)
    parts = _drawn(merged_people(photos), enrolled, strangers)
    rows = np.unique(np.concatenate([parts.enrolled, parts.probes, parts.strangers]))
    tested, within, rest = photos.only(rows), parts.within(rows), photos.only(parts.rest)
    plain, averaged = ([Variant(preset, flip) for preset in presets] for flip in (False, True))
    of_enrolled = faces_of_kinds(engine, photos.only(parts.enrolled).paths, averaged, KINDS)
    faces = {
        kind: _with_some(found, of_enrolled[kind], within.enrolled)
        for kind, found in faces_of_kinds(engine, tested.paths, plain, KINDS).items()
    }
    poor = [kind for kind in (*KINDS, *WORSE) if kind != "clean"]
    of_rest = faces_of_kinds(engine, rest.paths, [*plain, *averaged], ["clean"])
    of_rest |= faces_of_kinds(engine, rest.paths, plain, poor)
    reports = []
    for preset in presets:
        versions = engine.embedder(preset).version, engine.detector
        # Whether a crowd helps was decided on more people than are left here.
        has_crowd = bool(curve_of(*versions).normalisation)
        curve = fitted_curve(of_rest, rest, preset=preset, versions=versions, has_crowd=has_crowd)
        reports.append(kinds_report(faces, tested, within, preset=preset, curve=curve))
    return reports


def _with_some(faces: Collected, some: Collected, rows: NDArray[np.intp]) -> Collected:
    """With the embeddings of the photos of these rows; zeros for the others."""
    embeddings = dict(faces.embeddings)
    for variant, vectors in some.embeddings.items():
        embeddings[variant] = np.zeros((len(faces.faces), vectors.shape[1]), np.float32)
        embeddings[variant][rows] = vectors
    return replace(faces, embeddings=embeddings)


@dataclass(frozen=True, slots=True)
class Parts:
    """Rows of photos: one each of the people enrolled, others of these, one each of strangers, and
    all of everybody else."""

    enrolled: NDArray[np.intp]
    probes: NDArray[np.intp]
    strangers: NDArray[np.intp]
    rest: NDArray[np.intp]

    def within(self, rows: NDArray[np.intp]) -> Parts:
        """The same photos, as positions in these rows."""
        return Parts(
            enrolled=np.searchsorted(rows, self.enrolled),
            probes=np.searchsorted(rows, self.probes),
            strangers=np.searchsorted(rows, self.strangers),
            rest=self.rest,
        )


def _drawn(people: NDArray[np.intp], enrolled: int, strangers: int) -> Parts:
    """people: (n,) the person of each photo, sorted by person and number."""
    random = np.random.default_rng(_SEED)
    names, first, counts = np.unique(people, return_index=True, return_counts=True)
    several = random.permutation(names[counts > 1])
    if len(several) < enrolled or len(names) <= enrolled + strangers:
        raise EngineError(
            f"{enrolled} people with several photos are needed, {strangers} others and more."
        )
    known = several[:enrolled]
    others = random.permutation(np.setdiff1d(names, known))
    rest = others[strangers : strangers + _MOST_REST]
    start = dict(zip(names.tolist(), first.tolist(), strict=True))
    number = np.arange(len(people)) - np.array([start[person] for person in people.tolist()])
    is_known = np.isin(people, known)
    return Parts(
        enrolled=np.flatnonzero(is_known & (number == 0)),
        probes=np.flatnonzero(is_known & (number > 0) & (number <= _PROBES_EACH)),
        strangers=np.flatnonzero(np.isin(people, others[:strangers]) & (number == 0)),
        rest=np.flatnonzero(np.isin(people, rest) & (number <= _PROBES_EACH)),
    )


def kinds_report(
    faces: Mapping[str, Collected],
    photos: Photos,
    parts: Parts,
    *,
    preset: str,
    curve: ImpostorCurve,
) -> KindsReport:
    """faces: of the photos, in each kind. parts: rows of the photos."""
    people = merged_people(photos)
    names = list(faces)
    choices = {kind: np.full(len(photos), index) for index, kind in enumerate(names)}
    choices[MIXED] = np.random.default_rng(_SEED).integers(len(names), size=len(photos))
    galleries = {
        kind: _Shown.of(faces, choice, Variant(preset, flip=True), parts.enrolled, gate=True)
        for kind, choice in choices.items()
    }
    # Probes get other random kinds than the gallery.
    choices[MIXED] = np.random.default_rng(_SEED + 1).integers(len(names), size=len(photos))
    cells = []
    for seen, choice in choices.items():
        known = _Shown.of(faces, choice, Variant(preset), parts.probes)
        strangers = _Shown.of(faces, choice, Variant(preset), parts.strangers)
        cells += [
            _cell(kind, seen, curve, gallery, known, strangers, people)
            for kind, gallery in galleries.items()
        ]
    return KindsReport(
        preset=preset,
        threshold=curve.threshold_for_gallery(len(parts.enrolled)),
        enrolled=len(parts.enrolled),
        probes=len(parts.probes),
        strangers=len(parts.strangers),
        cells=sorted(cells, key=lambda cell: cell.enrolled != cell.seen),
    )


@dataclass(frozen=True, slots=True)
class _Shown:
    """Photos as they are shown. rows: of the photos. is_there: a face was found (and accepted)."""

    rows: NDArray[np.intp]
    vectors: Float32
    is_there: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        faces: Mapping[str, Collected],
        choice: NDArray[np.intp],
        variant: Variant,
        rows: NDArray[np.intp],
        *,
        gate: bool = False,
    ) -> _Shown:
        """choice: of each photo, the index of its kind. gate: only what may be enrolled."""
        of_kind = list(faces.values())
        found = [(of_kind[choice[row]], row) for row in rows]
        vectors = np.stack([one.embeddings[variant][row] for one, row in found])
        shown = [one.faces[row] for one, row in found]
        is_there = [
            face is not None
            and not (gate and face.quality is not None and refusals(face.quality, "standard"))
            for face in shown
        ]
        return cls(rows, vectors, np.array(is_there))


def fitted_curve(
    faces: Mapping[str, Collected],
    photos: Photos,
    *,
    preset: str,
    versions: tuple[str, str],
    has_crowd: bool = False,
) -> ImpostorCurve:
    """faces: of the photos, in each kind. versions: of embedder and detector."""
    clean = faces["clean"]
    rows = np.flatnonzero(clean.has_face)
    plain = clean.embeddings[Variant(preset)][rows]
    crowd = scaled_crowd(plain, merged_people(photos.only(rows))) if has_crowd else None
    curve = impostor_curve(
        photos.only(rows),
        plain,
        clean.embeddings[Variant(preset, flip=True)][rows],
        model=versions[0],
        detector=versions[1],
        source="the people who are left",
        crowd=crowd,
    )
    return replace(curve, cohort=fitted_cohort(faces, Variant(preset), crowd))


def _cell(
    enrolled: str,
    seen: str,
    curve: ImpostorCurve,
    gallery: _Shown,
    known: _Shown,
    strangers: _Shown,
    people: NDArray[np.intp],
) -> Cell:
    threshold = curve.threshold_for_gallery(len(gallery.rows))
    named, rightly = [], []
    for cohort in (curve.scoring, replace(curve.scoring, means={})):
        best = _scores(strangers, gallery, cohort).max(axis=1)
        named.append(int((best >= threshold).sum()))
        scores = _scores(known, gallery, cohort)
        is_right = people[gallery.rows][scores.argmax(axis=1)] == people[known.rows]
        rightly.append(float((is_right & (scores.max(axis=1) >= threshold)).mean()))
    return Cell(
        enrolled=enrolled,
        seen=seen,
        strangers=share_interval(named[0], len(strangers.rows)),
        known=rightly[0],
        refused=float(1 - gallery.is_there.mean()),
        before=(named[1] / len(strangers.rows), rightly[1]),
    )


def _scores(shown: _Shown, gallery: _Shown, cohort: Cohort) -> Float32:
    scores = cohort.scores_of_all(cohort.seen(shown.vectors), cohort.seen(gallery.vectors))
    scores[~shown.is_there] = _NOBODY
    scores[:, ~gallery.is_there] = _NOBODY
    return scores


def _text(interval: Interval) -> str:
    return f"{percent(interval.value)} ({100 * interval.low:.1f} to {100 * interval.high:.1f})"
