"""How much the threshold rises for faces in poor pictures."""

from __future__ import annotations

import numpy as np
import pytest

from ml_engine.matching import ImpostorCurve
from ml_engine.matching.cohort import Cohort
from ml_engine.types import Float32
from tests.ml_engine.vectors import unit_vectors

DIMENSION = 64
COHORT = Cohort(
    {"noise": tuple(np.eye(DIMENSION)[0].tolist()), "blur": tuple(np.eye(DIMENSION)[1].tolist())},
    usual=0.04,
)


def _leaning(count: int, *, kind: int, by: float, seed: int) -> Float32:
    """(count, d): strangers whose faces lean towards a direction by about so much."""
    vectors = unit_vectors(count, DIMENSION, seed=seed) * np.sqrt(1 - by**2)
    vectors[:, kind] += by
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_two_faces_that_lean_alike_raise_the_threshold_by_what_they_share() -> None:
    probe = np.array([[0.6, *np.zeros(DIMENSION - 2), 0.8]], np.float32)
    template = np.array([[0.5, *np.zeros(DIMENSION - 2), -np.sqrt(0.75)]], np.float32)
    assert COHORT.rises(probe, template) == pytest.approx([0.6 * 0.5 - 0.04])


def test_a_face_that_leans_alone_or_otherwise_or_away_raises_nothing() -> None:
    noise, blur = np.eye(DIMENSION, dtype=np.float32)[:2]
    clear = np.eye(DIMENSION, dtype=np.float32)[5]
    for probe, template in ((noise, clear), (noise, blur), (-noise, -noise), (clear, clear)):
        assert COHORT.rises(probe[None], template[None]) == [0]


def test_rises_of_all_are_those_of_each_pair() -> None:
    left, right = _leaning(6, kind=0, by=0.6, seed=1), _leaning(4, kind=1, by=0.6, seed=2)
    right[0] = left[0]
    found = COHORT.rises_of_all(left, right)
    assert found.shape == (6, 4)
    for row in range(6):
        each = COHORT.rises(np.broadcast_to(left[row], right.shape), right)
        np.testing.assert_allclose(found[row], each, rtol=1e-5)


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
        assert (similarities - COHORT.rises_of_all(probes, templates) >= threshold).mean() < 2e-3
    mixed = _leaning(600, kind=0, by=0.6, seed=5) @ clear.T
    assert (mixed >= threshold).mean() < 2e-3, "nothing has to rise here"


def test_a_cohort_is_the_same_after_its_way_through_json() -> None:
    assert Cohort.from_dict(COHORT.to_dict()) == COHORT
