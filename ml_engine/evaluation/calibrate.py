"""Impostor score curves: how often a comparison of two strangers reaches a score.

Every photo of LFW is compared with every photo of other people, each pair once: that is how a
template meets a probe, and it gives the most pairs. If every two *people* count the same, however
many photos they have, no score of the curve moves by more than 0.002.

Service compares vectors of three kinds: an upload may be averaged with its mirror image, a live
face is not. So strangers are compared plain with plain, plain with averaged, and averaged with
averaged, and the curve keeps the highest score at each rate: it is never too low for any of them.

With a curve come its cohort and the rises of means (see `ml_engine.evaluation.cohort`). Scores are
normalised if that helps the embedder (see `ml_engine.matching.crowd_choice`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ml_engine.evaluation.cohort import (
    STRANGERS,
    faces_of_kinds,
    fitted_cohort,
    mean_rises,
)
from ml_engine.evaluation.collect import Variant, collect, nearest_centre
from ml_engine.evaluation.degradations import KINDS, WORSE
from ml_engine.evaluation.lfw import Photos, load_photos
from ml_engine.matching.calibration import MIN_PAIRS, RATES, ImpostorCurve
from ml_engine.matching.cohort import PLAIN, Cohort, Seen
from ml_engine.matching.crowd import Crowd
from ml_engine.matching.crowd_choice import chosen_crowd
from ml_engine.types import EngineError, Float32

if TYPE_CHECKING:
    from ml_engine.engine import FaceEngine

_SEED = 1
LFW = "LFW, deep-funnelled, folds 1 to 5"
# One person under two names, seen by looking at the pairs of the highest scores. They are no
# strangers; left in, they alone would decide the score at 1e-6.
ONE_PERSON = (
    ("Chyung_Dai-chul", "Dai_Chul_Chyung"),
    ("Flor_Montulo", "Nora_Bendijo"),
    ("Gabrielle_Rose", "Martha_Bowen"),
    ("Hasan_Wirayuda", "Hassan_Wirajuda"),
)


@dataclass(frozen=True, slots=True)
class CurveReport:
    """path: of the written curve."""

    curve: ImpostorCurve
    path: Path

    def as_dict(self) -> dict[str, object]:
        return self.curve.to_dict()

    def as_text(self) -> str:
        curve = self.curve
        head = (
            f"{curve.model} with {curve.detector}: {curve.pairs:,} pairs of strangers, written to "
            f"{self.path}"
        )
        points = zip(curve.rates, curve.scores, strict=True)
        return "\n".join([head, *(f"  {rate:8.0e}  {score:.4f}" for rate, score in points)])


def calibrate(
    engine: FaceEngine, data: Path, presets: Sequence[str], *, source: str = LFW
) -> list[ImpostorCurve]:
    """The curve of each preset with the engine's detector, from all strangers in LFW, or in a
    folder laid out like it, which
    `source` names."""
    photos = load_photos(data)
    variants = [Variant(preset, flip) for preset in presets for flip in (False, True)]
    found = collect(engine, photos.paths, variants, choose=nearest_centre, title="LFW")
    rows = np.flatnonzero(found.has_face)
    photos = photos.only(rows)
    of_poor = [Variant(preset) for preset in presets]
    poor = faces_of_kinds(engine, _strangers(photos).paths, of_poor, KINDS | WORSE)
    people, curves = merged_people(photos), []
    for preset in presets:
        plain, averaged = (found.embeddings[Variant(preset, flip)][rows] for flip in (False, True))
        crowd = chosen_crowd(plain, people)
        curve = impostor_curve(
            photos,
            plain,
            averaged,
            model=engine.embedder(preset).version,
            detector=engine.detector,
            source=source,
            crowd=crowd,
        )
        cohort = fitted_cohort(poor, Variant(preset), crowd)
        rises = mean_rises(averaged, people, crowd)
        curves.append(replace(curve, cohort=cohort, mean_rises=rises))
    return curves


def _strangers(photos: Photos) -> Photos:
    """The first photos of people drawn at random, the same ones every time."""
    _, first = np.unique(merged_people(photos), return_index=True)
    drawn = np.random.default_rng(_SEED).permutation(first)[:STRANGERS]
    return photos.only(np.sort(drawn))


def impostor_curve(
    photos: Photos,
    plain: Float32,
    averaged: Float32,
    *,
    model: str,
    detector: str,
    source: str = LFW,
    crowd: Crowd | None = None,
) -> ImpostorCurve:
    """The curve from plain and flip-averaged embeddings (n, d) of the photos.

    Args:
        model, detector: the versions that made the embeddings.
        crowd: normalises the scores.
    """
    people = merged_people(photos)
    cohort = replace(PLAIN, crowd=crowd)
    once, twice = cohort.seen(plain), cohort.seen(averaged)
    kinds = ((once, once), (once, twice), (twice, twice))
    pairs = len(impostor_scores(once, once, people))
    rates = [rate for rate in RATES if rate * pairs >= MIN_PAIRS]
    if len(rates) < 2:
        raise EngineError(f"{pairs} pairs of strangers are too few for a curve.")
    scores = np.max(
        [scores_at(impostor_scores(*kind, people, cohort), pairs, rates) for kind in kinds],
        axis=0,
    )
    return ImpostorCurve(
        model=model,
        detector=detector,
        scores=tuple(round(float(score), 4) for score in scores),
        rates=tuple(rates),
        pairs=pairs,
        source=(
            f"{source}: all pairs of different people among "
            f"{len(photos):,} photos of {len(np.unique(people)):,} people; at each rate the "
            f"highest score with and without flip averaging"
        ),
        normalisation=cohort.normalisation,
    )


def merged_people(photos: Photos) -> NDArray[np.intp]:
    """(n,) each photo's person; two names of one person count as one."""
    same = dict(ONE_PERSON)
    number = {name: index for index, name in enumerate(photos.names)}
    merged = np.array([number.get(same.get(name, name), number[name]) for name in photos.names])
    return merged[photos.people]


def impostor_scores(
    left: Seen, right: Seen, people: NDArray[np.intp], cohort: Cohort = PLAIN
) -> Float32:
    """Scores of all pairs of photos of different people, each pair once, in any order."""
    parts = []
    for row in range(len(people) - 1):
        later = np.flatnonzero(people[row + 1 :] != people[row]) + row + 1
        parts.append(cohort.scores_of_all(left[row : row + 1], right[later])[0])
    return np.concatenate(parts) if parts else np.empty(0, np.float32)


def scores_at(scores: Float32, pairs: int, rates: Sequence[float]) -> NDArray[np.float64]:
    """For each rate the score that `rate * pairs` of the pairs reach or exceed."""
    ranks = np.array([max(1, round(rate * pairs)) for rate in rates])
    positions = len(scores) - ranks
    return np.partition(scores, np.unique(positions))[positions].astype(np.float64)


def write_curve(curve: ImpostorCurve, folder: Path) -> Path:
    """`<embedder>.<detector>.json`, by their names, written beside and renamed."""
    folder.mkdir(parents=True, exist_ok=True)
    names = (version.partition("@")[0] for version in (curve.model, curve.detector))
    path = folder / f"{'.'.join(names)}.json"
    beside = path.with_suffix(".part")
    fields = (f'  "{name}": {json.dumps(value)}' for name, value in curve.to_dict().items())
    beside.write_text("{\n" + ",\n".join(fields) + "\n}\n")
    beside.replace(path)
    return path
