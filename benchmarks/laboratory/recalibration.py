"""Does a collection that was measured on its own people name strangers as rarely as it should?

The people of LFW's folds 1 to 3 are enrolled with all their photos, averaged with their mirror
images as in service, and an impostor curve is measured on them. Each person of folds 4 and 5 is
identified once, with the first photo, unchanged. Then smaller collections are chosen at random from
all people, and all other people are identified. Each threshold is set for one stranger in a
hundred.

The curves of the presets were made from the same photos, so they are correct here. To show the use
of a collection's own curve, a wrong curve with lower scores is compared as well.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ml_engine.evaluation.calibrate import merged_people
from ml_engine.evaluation.collect import Variant, collect, nearest_centre
from ml_engine.evaluation.lfw import Pairs, load_pairs, load_photos
from ml_engine.evaluation.report import percent
from ml_engine.matching.calibration import DEFAULT_FPIR, ImpostorCurve, curve_of
from ml_engine.matching.error_rates import error_rates
from ml_engine.types import Float32

if TYPE_CHECKING:
    from ml_engine.engine import FaceEngine

ENROLLED_FOLDS = 3
SIZES = (80, 150, 300, 600, 1200)
DRAWS = 40
# Of the wrong curve: how far its scores go, as a share of how far they should.
_SQUEEZED = 0.9
_SEED = 1
Ints = NDArray[np.intp]
Range = tuple[float, float, float]
_CURVES = ("preset", "own", "wrong", "own_on_wrong")


@dataclass(frozen=True, slots=True)
class Named:
    """Share of strangers who are named: with the curve of the preset, with the collection's own,
    with the wrong one, and with the own one where that continues it. Each a median between the
    bounds of nine of ten collections; of one collection all three are the same."""

    people: int
    templates: int
    strangers: int
    preset: Range
    own: Range
    wrong: Range
    own_on_wrong: Range


@dataclass(frozen=True, slots=True)
class RecalibrationReport:
    """folds: enrolled from the first folds, strangers from the others. drawn: by size."""

    preset: str
    folds: Named
    drawn: list[Named]

    def as_dict(self) -> dict[str, object]:
        return asdict(self)

    def as_text(self) -> str:
        lines = [
            f"{self.preset}: strangers named where {percent(DEFAULT_FPIR)} was asked for; "
            f"median of {DRAWS} collections (between them nine of ten)",
            f"people  {'preset curve':28}{'own curve':28}{'wrong curve':30}own, on the wrong one",
        ]
        for named in (self.folds, *self.drawn):
            shown = [_shown(getattr(named, name)) for name in _CURVES]
            lines.append(f"{named.people:6}  {shown[0]:28}{shown[1]:28}{shown[2]:30}{shown[3]}")
        lines.append(f"The first line is of the people of folds 1 to {ENROLLED_FOLDS}.")
        return "\n".join(lines)


def evaluate_recalibration(engine: FaceEngine, data: Path, preset: str) -> RecalibrationReport:
    photos = load_photos(data)
    variants = [Variant(preset, flip=True), Variant(preset)]
    found = collect(engine, photos.paths, variants, choose=nearest_centre, title="LFW")
    people = merged_people(photos)
    folds = folds_of(people, load_pairs(data, photos))
    rows = np.flatnonzero(found.has_face)
    enrolled, probes = (found.embeddings[variant][rows] for variant in variants)
    return recalibration_report(
        enrolled,
        probes,
        people[rows],
        folds,
        preset=preset,
        curve=curve_of(preset, engine.detector),
    )


def folds_of(people: Ints, pairs: Pairs) -> Ints:
    """The fold of each person, numbered from 0: nobody is in two."""
    folds = np.zeros(int(people.max()) + 1, np.intp)
    folds[people[pairs.rows]] = pairs.folds[:, None]
    return folds


def recalibration_report(
    enrolled: Float32,
    probes: Float32,
    people: Ints,
    folds: Ints,
    *,
    preset: str,
    curve: ImpostorCurve,
    sizes: tuple[int, ...] = SIZES,
) -> RecalibrationReport:
    """enrolled, probes: (n, d), averaged and plain. people: (n,) whose. folds: of each person.
    curve: of the preset."""
    trial = _Trial(enrolled, probes, people, curve)
    everybody = np.unique(people)
    random = np.random.default_rng(_SEED)
    first = everybody[folds[everybody] < ENROLLED_FOLDS]
    return RecalibrationReport(
        preset=preset,
        folds=trial.named([first]),
        drawn=[
            trial.named([random.choice(everybody, size, replace=False) for _ in range(DRAWS)])
            for size in sizes
        ],
    )


class _Trial:
    def __init__(
        self, enrolled: Float32, probes: Float32, people: Ints, curve: ImpostorCurve
    ) -> None:
        self._enrolled, self._probes, self._people = enrolled, probes, people
        self._curve = curve
        start = curve.scores[0]
        squeezed = tuple(start + _SQUEEZED * (score - start) for score in curve.scores)
        self._wrong = replace(curve, scores=squeezed)
        self._first = np.unique(people, return_index=True)[1]

    def named(self, collections: list[Ints]) -> Named:
        members = collections[0]
        shares = np.array([self._shares(chosen) for chosen in tqdm(collections, "collections")])
        return Named(
            people=len(members),
            templates=int(np.isin(self._people, members).sum()),
            strangers=len(self._first) - len(members),
            **{name: _range(shares[:, n]) for n, name in enumerate(_CURVES)},
        )

    def _shares(self, members: Ints) -> list[float]:
        """Of strangers who are named, with each of _CURVES."""
        rows = np.flatnonzero(np.isin(self._people, members))
        strangers = self._first[~np.isin(self._people[self._first], members)]
        cohort = self._curve.scoring
        probes, enrolled = cohort.seen(self._probes[strangers]), cohort.seen(self._enrolled[rows])
        best = cohort.scores_of_all(probes, enrolled).max(axis=1)
        own, own_on_wrong = (self._own(rows, curve) for curve in (self._curve, self._wrong))
        curves = (self._curve, own, self._wrong, own_on_wrong)
        return [float((best >= c.threshold_for_gallery(len(rows))).mean()) for c in curves]

    def _own(self, rows: Ints, curve: ImpostorCurve) -> ImpostorCurve:
        measured = error_rates(
            self._enrolled[rows],
            self._people[rows],
            model=curve.model,
            detector=curve.detector,
            source="LFW",
            similar_from=curve.threshold_for_gallery(len(rows)),
            reference=curve,
        )
        return measured.curve.continued_by(curve)


def _range(shares: NDArray[np.float64]) -> Range:
    low, median, high = np.percentile(shares, [5, 50, 95]).tolist()
    return low, median, high


def _shown(values: Range) -> str:
    low, median, high = values
    if low == high:
        return percent(median)
    return f"{percent(median)} ({percent(low)} to {percent(high)})"
