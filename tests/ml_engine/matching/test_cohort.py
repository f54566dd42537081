"""How much the threshold rises for faces in poor pictures."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from ml_engine.matching import ImpostorCurve, compared
from ml_engine.matching.cohort import PLAIN, Cohort
from ml_engine.matching.crowd import fitted_crowd
from ml_engine.types import Float32
from tests.ml_engine.vectors import unit_vectors

DIMENSION = 64
COHORT = Cohort(
    {"noise": tuple(np.eye(DIMENSION)[0].tolist()), "blur": tuple(np.eye(DIMENSION)[1].tolist())},
    usual=0.04,
)

CROWD = fitted_crowd(unit_vectors(200, DIMENSION, seed=8), np.arange(200))


def _leaning(count: int, *, kind: int, by: float, seed: int) -> Float32:
    """(count, d): strangers whose faces lean towards a direction by about so much."""
    vectors = unit_vectors(count, DIMENSION, seed=seed) * np.sqrt(1 - by**2)
    vectors[:, kind] += by
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_two_faces_that_lean_alike_raise_the_threshold_by_what_they_share() -> None:
    probe = np.array([[0.6, *np.zeros(DIMENSION - 2), 0.8]], np.float32)
    template = np.array([[0.5, *np.zeros(DIMENSION - 2), -np.sqrt(0.75)]], np.float32)
    scales = COHORT.scales(COHORT.seen(probe), COHORT.seen(template))
    assert scales.rises == pytest.approx([0.6 * 0.5 - 0.04])
    assert scales.stretches == [1]


def test_a_face_that_leans_alone_or_otherwise_or_away_raises_nothing() -> None:
    noise, blur = np.eye(DIMENSION, dtype=np.float32)[:2]
    clear = np.eye(DIMENSION, dtype=np.float32)[5]
    for probe, template in ((noise, clear), (noise, blur), (-noise, -noise), (clear, clear)):
        scales = COHORT.scales(COHORT.seen(probe[None]), COHORT.seen(template[None]))
        assert scales.rises == [0]


@pytest.mark.parametrize("cohort", [COHORT, replace(COHORT, crowd=CROWD), PLAIN])
def test_scores_of_all_are_those_of_each_pair(cohort: Cohort) -> None:
    left, right = _leaning(6, kind=0, by=0.6, seed=1), _leaning(4, kind=1, by=0.6, seed=2)
    right[0] = left[0]
    one, other = cohort.seen(left), cohort.seen(right)
    found = cohort.scores_of_all(one, other)
    assert found.shape == (6, 4)
    for row in range(6):
        scales = cohort.scales(one[np.full(4, row)], other)
        np.testing.assert_allclose(found[row], scales.scores(right @ left[row]), atol=1e-5)
        pairs = compared(left[row], right, [(None, n) for n in range(4)], cohort)
        np.testing.assert_allclose([pair.score for pair in pairs], found[row], atol=1e-5)


def test_strangers_in_poor_pictures_match_no_more_often_than_clear_ones() -> None:
    clear, others = unit_vectors(600, DIMENSION, seed=3), unit_vectors(600, DIMENSION, seed=4)
    scores = (clear @ others.T).ravel()
    curve = ImpostorCurve.from_scores(scores, model="m", detector="d", source="strangers")
    threshold = curve.threshold(1e-3)
    for kind, by in ((0, 0.35), (1, 0.35), (0, 0.6)):
        probes = _leaning(600, kind=kind, by=by, seed=5)
        templates = _leaning(600, kind=kind, by=by, seed=6)
        similarities = probes @ templates.T
        assert (similarities >= threshold).mean() > 5e-3
        risen = COHORT.scores_of_all(COHORT.seen(probes), COHORT.seen(templates))
        assert (risen >= threshold).mean() < 2e-3
    mixed = _leaning(600, kind=0, by=0.6, seed=5) @ clear.T
    assert (mixed >= threshold).mean() < 2e-3, "nothing has to rise here"


@pytest.mark.parametrize("cohort", [COHORT, replace(COHORT, crowd=CROWD)])
def test_a_cohort_is_the_same_after_its_way_through_json(cohort: Cohort) -> None:
    assert Cohort.from_dict(json.loads(json.dumps(cohort.to_dict()))) == cohort
