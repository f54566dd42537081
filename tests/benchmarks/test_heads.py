"""Each head names well separated people, and rejects strangers."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.training.heads import HEADS, Gallery, draw
from ml_engine.embedding.base import unit


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
    right, missed = draw(HEADS[name], _gallery(0.15), seed=0)
    assert right == 1.0
    assert missed < 0.5 if name.startswith("KNN") else missed < 0.1


@pytest.mark.parametrize("name", list(HEADS))
def test_head_guesses_among_people_who_look_alike(name: str) -> None:
    right, missed = draw(HEADS[name], _gallery(50.0), seed=0)
    assert right < 0.5
    assert missed > 0.5
