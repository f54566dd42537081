"""Figures on pairs: AUC, balanced accuracy, true matches at one false match in a hundred."""

from __future__ import annotations

import numpy as np
import pytest

from ml_engine.training.judging import figures


def _vectors(noise: float) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    centres = random.standard_normal((8, 32))
    people = np.repeat(np.arange(8), 6)
    vectors = centres[people] + noise * random.standard_normal((48, 32))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), people


def test_people_told_apart_have_full_figures() -> None:
    found = figures(*_vectors(0.1))
    assert (found.auc, found.accuracy, found.tmr) == (1.0, 1.0, 1.0)


def test_noise_alone_is_worth_a_guess() -> None:
    found = figures(*_vectors(100.0))
    assert abs(found.auc - 0.5) < 0.1
    assert found.tmr < 0.1


def test_given_threshold_decides_about_accuracy() -> None:
    vectors, people = _vectors(0.8)
    best = figures(vectors, people)
    again = figures(vectors, people, threshold=best.threshold)
    assert again.accuracy == pytest.approx(best.accuracy)
    assert figures(vectors, people, threshold=1.1).accuracy == pytest.approx(0.5)


def test_vectors_that_are_no_numbers_match_nothing() -> None:
    vectors, people = _vectors(0.1)
    assert figures(np.full_like(vectors, np.nan), people).auc == pytest.approx(0.5)
