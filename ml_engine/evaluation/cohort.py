"""The cohort of an impostor curve, and the rises of means: what the photos of strangers in poor
pictures, and the averaged photos of one person, add to a score.

Strangers are people of LFW, with one photo each, spoiled in every kind of
`ml_engine.evaluation.degradations`, at two strengths.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ml_engine.evaluation.collect import Collected, Variant, collect, nearest_centre
from ml_engine.matching.cohort import PLAIN, Cohort
from ml_engine.matching.crowd import Crowd
from ml_engine.matching.deciders import mean_template
from ml_engine.types import Float32

if TYPE_CHECKING:
    from ml_engine.engine import FaceEngine

# So many strangers tell a mean vector.
STRANGERS = 500
# Of pairs of clear faces, the share whose threshold rises a little, because both happen to lean as
# poor ones do.
_CLEAR_PAIRS_RAISED = 0.25
# Photos averaged, for people of whom there are so many.
_AVERAGED = (2, 3, 5, 8)
_LEAST_PEOPLE = 20
_RATE = 1e-3


def faces_of_kinds(
    engine: FaceEngine, paths: Sequence[Path], variants: Sequence[Variant], kinds: Iterable[str]
) -> dict[str, Collected]:
    """The faces of these photos in each kind of picture."""
    return {
        kind: collect(engine, paths, variants, choose=nearest_centre, title=kind, kind=kind)
        for kind in kinds
    }


def fitted_cohort(
    faces: Mapping[str, Collected], variant: Variant, crowd: Crowd | None = None
) -> Cohort:
    """faces: of strangers, one photo each, in each kind: "clean" and the poor ones."""
    vectors = {kind: each.embeddings[variant][each.has_face] for kind, each in faces.items()}
    clear = vectors.pop("clean")
    means = {kind: _mean(each) for kind, each in vectors.items()}
    leaning = Cohort(means, usual=0.0)
    shared = leaning.shared_of_all(leaning.seen(clear), leaning.seen(clear))
    pairs = shared[np.triu_indices(len(clear), 1)]
    return Cohort(means, round(float(np.quantile(pairs, 1 - _CLEAR_PAIRS_RAISED)), 4), crowd)


def _mean(vectors: Float32) -> tuple[float, ...]:
    return tuple(np.round(vectors.mean(axis=0).astype(np.float64), 4).tolist())


def mean_rises(
    vectors: Float32, people: NDArray[np.intp], crowd: Crowd | None = None
) -> tuple[tuple[int, float], ...]:
    """For numbers of photos: how much higher strangers score with the mean of so many photos of a
    person than with each of them, at one false match in a thousand.

    Args:
        vectors: (n, d) of photos. people: (n,) the person of each.
    """
    cohort = replace(PLAIN, crowd=crowd)
    faces, found = cohort.seen(vectors), []
    for count in _AVERAGED:
        owners = np.flatnonzero(np.bincount(people) >= count)
        if len(owners) < _LEAST_PEOPLE:
            break
        singles, means = [], []
        for person in owners:
            mine, others = np.flatnonzero(people == person)[:count], faces[people != person]
            mean = cohort.seen(mean_template(vectors[mine])[None])
            singles.append(cohort.scores_of_all(faces[mine], others).ravel())
            means.append(cohort.scores_of_all(mean, others)[0])
        rise = _reached(means) - _reached(singles)
        found.append((count, round(rise, 4)))
    return tuple(found)


def _reached(scores: Sequence[Float32]) -> float:
    return float(np.quantile(np.concatenate(scores), 1 - _RATE))
