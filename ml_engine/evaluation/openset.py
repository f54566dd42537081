"""Open-set identification on LFW: a known person, or a stranger?

Every person with several photos is enrolled with the lowest-numbered one; the other photos are the
probes. People with one photo are the strangers. At a threshold a stranger who is named is a false
positive (FPIR: their share), and a probe whose own person is not at rank 1 or is below the
threshold is a false negative (FNIR). Intervals are bootstraps over people, not over photos: photos
of one person succeed or fail together.

A photo in which no face was found matches no other photo: as a probe it is a false negative.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ml_engine.evaluation.collect import Variant, collect, nearest_centre
from ml_engine.evaluation.lfw import load_of_folds
from ml_engine.evaluation.report import Interval, of_folds_text, percent
from ml_engine.matching.calibration import DEFAULT_FPIR, ImpostorCurve, curve_of
from ml_engine.matching.cohort import PLAIN, Cohort
from ml_engine.types import EngineError, Float32

if TYPE_CHECKING:
    from ml_engine.engine import FaceEngine

FPIRS = (0.01, 0.001)
GALLERY_SIZES = (50, 100, 200, 400)
_BOOTSTRAPS = 1000
# Number of points of the curve that are kept for the picture.
_CURVE_POINTS = 80
# Number of random galleries for each size.
_DRAWS = 20
_SEED = 1
# Below all scores, of photos without a face and of others than the right person.
_NOT_COMPARED, _WRONG = np.float32(-1e3), np.float32(-2e3)


@dataclass(frozen=True, slots=True)
class AtThreshold:
    """gallery: enrolled people. fpir, fnir: what the default threshold for that many gives, or
    what was asked for and what it costs."""

    gallery: int
    threshold: float
    fpir: float
    fnir: float


@dataclass(frozen=True, slots=True)
class OpenSetReport:
    """fnir: by FPIR. at_default: for each gallery size, the mean over galleries drawn at random at
    the threshold that the product takes by default. fnir_by_size: the same at FPIR 1 %. curve:
    (fpir, fnir) for drawing, of all people enrolled."""

    preset: str
    flip: str
    folds: Sequence[int] | None
    enrolled: int
    probes: int
    strangers: int
    without_face: int
    rank_1: Interval
    fnir: dict[float, Interval]
    at_default: list[AtThreshold]
    fnir_by_size: list[AtThreshold]
    curve: list[tuple[float, float]] = field(repr=False)

    def as_dict(self) -> dict[str, object]:
        return asdict(self)

    def as_text(self) -> str:
        lines = [
            f"{self.preset}, flip averaging: {self.flip}{of_folds_text(self.folds)}; "
            f"{self.enrolled:,} enrolled, "
            f"{self.probes:,} probes, {self.strangers:,} strangers, {self.without_face} photos "
            f"without a face",
            f"rank 1            {self.rank_1}",
            *(f"FNIR at FPIR {percent(rate):>7} {value}" for rate, value in self.fnir.items()),
            f"enrolled  FNIR at FPIR 1 %   at the default threshold (FPIR {percent(DEFAULT_FPIR)}"
            " asked for)",
        ]
        for at_rate, default in zip(self.fnir_by_size, self.at_default, strict=True):
            lines.append(
                f"{at_rate.gallery:8}  {at_rate.fnir:.4f}             {default.threshold:.4f}: "
                f"FPIR {percent(default.fpir)}, FNIR {default.fnir:.4f}"
            )
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Searches:
    """The best match of every probe and every stranger. probe_people, gallery: person of each
    probe and of each template."""

    gallery: NDArray[np.intp]
    probe_people: NDArray[np.intp]
    stranger_people: NDArray[np.intp]
    probe_scores: Float32  # (probes, templates)
    stranger_scores: Float32  # (strangers, templates)

    def among(self, templates: NDArray[np.intp]) -> Searches:
        """Only these templates are enrolled; probes of others are left out."""
        is_mated = np.isin(self.probe_people, self.gallery[templates])
        return Searches(
            self.gallery[templates],
            self.probe_people[is_mated],
            self.stranger_people,
            self.probe_scores[is_mated][:, templates],
            self.stranger_scores[:, templates],
        )

    @property
    def best_strangers(self) -> Float32:
        return self.stranger_scores.max(axis=1)

    @property
    def hits(self) -> Float32:
        """(probes,) the score of each probe's own person if that is at rank 1, else _WRONG."""
        best = self.probe_scores.argmax(axis=1)
        is_right = self.gallery[best] == self.probe_people
        return np.where(is_right, self.probe_scores.max(axis=1), _WRONG).astype(np.float32)


def evaluate_openset(
    engine: FaceEngine,
    data: Path,
    preset: str,
    *,
    flip: bool = False,
    flip_enrolled: bool = False,
    folds: Sequence[int] | None = None,
) -> OpenSetReport:
    """flip: average every embedding with its mirror image; flip_enrolled: only those enrolled, as
    the live pipeline does. folds: only the people in these."""
    photos = load_of_folds(data, folds)
    of_probe = Variant(preset, flip)
    of_gallery = Variant(preset, flip or flip_enrolled)
    variants = list(dict.fromkeys((of_probe, of_gallery)))
    found = collect(engine, photos.paths, variants, choose=nearest_centre, title="LFW")
    curve = curve_of(preset, engine.detector)
    searches = search(
        photos.people,
        found.embeddings[of_gallery],
        found.embeddings[of_probe],
        found.has_face,
        curve.scoring,
    )
    return openset_report(
        searches,
        preset=preset,
        curve=curve,
        flip="both" if flip else "enrolled" if flip_enrolled else "none",
        without_face=int((~found.has_face).sum()),
        folds=folds,
    )


def search(
    people: NDArray[np.intp],
    of_gallery: Float32,
    of_probes: Float32,
    has_face: NDArray[np.bool_],
    cohort: Cohort = PLAIN,
) -> Searches:
    """Photos sorted by person and number to the searches of the protocol. cohort: makes the
    scores."""
    _, first, counts = np.unique(people, return_index=True, return_counts=True)
    enrolled, strangers = first[counts > 1], first[counts == 1]
    if not len(enrolled) or not len(strangers):
        raise EngineError("People with several photos are needed, and people with one.")
    probes = np.setdiff1d(np.flatnonzero(np.isin(people, people[enrolled])), enrolled)

    templates = cohort.seen(of_gallery[enrolled])

    def scores(rows: NDArray[np.intp]) -> Float32:
        values = cohort.scores_of_all(cohort.seen(of_probes[rows]), templates)
        is_compared = has_face[rows][:, None] & has_face[enrolled][None]
        return np.where(is_compared, values, _NOT_COMPARED).astype(np.float32)

    return Searches(
        people[enrolled], people[probes], people[strangers], scores(probes), scores(strangers)
    )


def openset_report(
    searches: Searches,
    *,
    preset: str,
    curve: ImpostorCurve,
    flip: str,
    without_face: int,
    folds: Sequence[int] | None = None,
) -> OpenSetReport:
    """curve: of the preset, which gives the default thresholds."""
    hits, strangers = searches.hits, searches.best_strangers
    everybody = len(searches.gallery)
    sizes = [*(size for size in GALLERY_SIZES if size < everybody), everybody]
    return OpenSetReport(
        preset=preset,
        flip=flip,
        folds=folds,
        enrolled=everybody,
        probes=len(hits),
        strangers=len(strangers),
        without_face=without_face,
        rank_1=rank_1(searches),
        fnir={rate: fnir_at(searches, rate) for rate in FPIRS},
        at_default=[_mean_over_draws(searches, size, _default_threshold(curve)) for size in sizes],
        fnir_by_size=[_mean_over_draws(searches, size, _threshold_of_strangers) for size in sizes],
        curve=error_curve(hits, strangers),
    )


def error_curve(hits: Float32, strangers: Float32) -> list[tuple[float, float]]:
    """FNIR at each FPIR, from one stranger on."""
    rates = np.geomspace(1 / len(strangers), 0.5, _CURVE_POINTS).tolist()
    return [(rate, float((hits < threshold_at(strangers, rate)).mean())) for rate in rates]


def threshold_at(strangers: Float32, fpir: float) -> float:
    """The least threshold that at most `fpir` of the strangers' best scores reach."""
    allowed = min(int(fpir * len(strangers) + 1e-9), len(strangers) - 1)
    return float(np.nextafter(np.sort(strangers)[::-1][allowed], np.float32(np.inf)))


def rank_1(searches: Searches) -> Interval:
    return _bootstrapped(searches, lambda hits, _: float((hits > _WRONG).mean()))


def fnir_at(searches: Searches, fpir: float) -> Interval:
    def fnir(hits: Float32, strangers: Float32) -> float:
        return float((hits < threshold_at(strangers, fpir)).mean())

    return _bootstrapped(searches, fnir)


def _bootstrapped(searches: Searches, figure: Callable[[Float32, Float32], float]) -> Interval:
    """People drawn with replacement, with all their photos; so are the strangers."""
    random = np.random.default_rng(_SEED)
    hits, strangers = searches.hits, searches.best_strangers
    people, owner = np.unique(searches.probe_people, return_inverse=True)
    rows_of = np.split(np.argsort(owner, kind="stable"), np.cumsum(np.bincount(owner))[:-1])
    values = []
    for _ in range(_BOOTSTRAPS):
        drawn = random.integers(len(people), size=len(people))
        rows = np.concatenate([rows_of[person] for person in drawn])
        values.append(figure(hits[rows], random.choice(strangers, len(strangers))))
    low, high = np.percentile(values, [2.5, 97.5])
    return Interval(figure(hits, strangers), float(low), float(high))


def _threshold_of_strangers(searches: Searches) -> float:
    return threshold_at(searches.best_strangers, FPIRS[0])


def _default_threshold(curve: ImpostorCurve) -> Callable[[Searches], float]:
    return lambda searches: curve.threshold_for_gallery(len(searches.gallery))


def _mean_over_draws(
    searches: Searches, size: int, threshold_of: Callable[[Searches], float]
) -> AtThreshold:
    random = np.random.default_rng(_SEED)
    everybody = len(searches.gallery)
    rows = []
    for _ in range(_DRAWS if size < everybody else 1):
        part = searches.among(np.sort(random.choice(everybody, size, replace=False)))
        threshold = threshold_of(part)
        fpir = float((part.best_strangers >= threshold).mean())
        rows.append((threshold, fpir, float((part.hits < threshold).mean())))
    threshold, fpir, fnir = np.mean(rows, axis=0).tolist()
    return AtThreshold(size, threshold, fpir, fnir)
