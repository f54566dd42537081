"""Each head names well separated people, and rejects strangers."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.training.heads import HEADS, Gallery, draw
from ml_engine.embedding.base import unit
from ml_engine.evaluation.openset import threshold_at


def _gallery(noise: float) -> Gallery:
    random = np.random.default_rng(0)
    people = np.repeat(np.arange(12), 7)
    centres = random.standard_normal((12, 32))
    known = centres[people] + noise * random.standard_normal((84, 32))
    strangers = random.standard_normal((60, 32))
    vectors = (unit(each.astype(np.float32)) for each in (known, strangers))
    return Gallery(next(vectors), people, next(vectors))


@pytest.mark.parametrize("name", list(HEADS))
def test_head_names_well_separated_people(name: str) -> None:
    right, missed, _ = draw(HEADS[name], _gallery(0.15), seed=0)
    assert right == 1.0
    assert missed < 0.5 if name.startswith("KNN") else missed < 0.1


@pytest.mark.parametrize("name", list(HEADS))
def test_head_guesses_among_people_who_look_alike(name: str) -> None:
    right, missed, _ = draw(HEADS[name], _gallery(50.0), seed=0)
    assert right < 0.5
    assert missed > 0.5


def test_threshold_of_one_half_of_the_strangers_is_tried_on_the_other() -> None:
    *_, named = draw(HEADS["linear SVM"], _gallery(0.15), seed=0)
    assert 0 < named < 0.2


def test_threshold_above_the_usual_similarities_is_not_rounded_down() -> None:
    """Scores of an SVM have no upper limit."""
    strangers = np.array([5.0, 4.0, 3.0], np.float32)
    assert threshold_at(strangers, 0.0) > 5.0
