"""Normalisation by a crowd, and whether it is taken."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from ml_engine.matching import crowd_choice
from ml_engine.matching.cohort import PLAIN, Cohort, Seen
from ml_engine.matching.crowd import Crowd, fitted_crowd
from ml_engine.matching.crowd_choice import LEAST_PEOPLE, chosen_crowd, crowd_gain, scaled_crowd
from ml_engine.types import Float32

DIMENSION = 32


def _faces(people: int, *, uneven: bool, seed: int = 1) -> tuple[Float32, NDArray[np.intp]]:
    """Two faces of each person. uneven: people differ in few directions, so that some of them are
    like many others."""
    random = np.random.default_rng(seed)
    sizes = np.exp(-np.arange(DIMENSION) / 6) if uneven else np.full(DIMENSION, 0.3)
    owners = np.repeat(np.arange(people), 2)
    centres = random.standard_normal((people, DIMENSION)) * sizes
    faces = centres[owners] + 0.09 * random.standard_normal((2 * people, DIMENSION))
    faces /= np.linalg.norm(faces, axis=1, keepdims=True)
    return faces.astype(np.float32), owners


@pytest.mark.simulation
def test_crowd_is_taken_only_for_a_model_whose_scores_it_makes_better() -> None:
    assert chosen_crowd(*_faces(500, uneven=True)) is not None
    assert chosen_crowd(*_faces(500, uneven=False)) is None


def test_crowd_of_few_people_is_never_taken() -> None:
    faces, people = _faces(LEAST_PEOPLE - 1, uneven=True)
    assert crowd_gain(faces, people).plain == ()
    assert chosen_crowd(faces, people) is None


@pytest.mark.simulation
def test_of_many_faces_a_limited_number_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """The matrix of all of them would not fit in memory."""
    cells: list[int] = []
    scores_of_all = Cohort.scores_of_all

    def counted(cohort: Cohort, left: Seen, right: Seen) -> Float32:
        cells.append(len(left.vectors) * len(right.vectors))
        return scores_of_all(cohort, left, right)

    faces, people = _faces(2400, uneven=True)
    monkeypatch.setattr(Cohort, "scores_of_all", counted)
    monkeypatch.setattr(crowd_choice, "DRAWS", 2)
    monkeypatch.setattr(crowd_choice, "_MOST_FACES", 1000)
    assert len(crowd_gain(faces, people).plain) == 2
    assert max(cells) <= 250**2
    assert chosen_crowd(faces, people) is not None
    assert max(cells) <= 500**2


def test_people_with_one_face_alone_choose_no_crowd() -> None:
    faces, people = _faces(500, uneven=True)
    assert chosen_crowd(faces[::2], people[::2]) is None


def test_crowd_holds_no_face_and_fewer_directions_than_people() -> None:
    faces, people = _faces(120, uneven=False)
    crowd = fitted_crowd(faces, people)
    assert len(crowd.axes) == 120 // 8
    assert len(crowd.groups) <= 120 // 32
    assert all(group.share >= 20 / 120 for group in crowd.groups)
    drawn = crowd._drawn
    assert np.allclose(np.linalg.norm(drawn, axis=1), 1, atol=1e-5)
    assert (drawn @ faces.T).max() < 0.999


def test_people_count_the_same_however_many_faces_they_have() -> None:
    faces, people = _faces(200, uneven=True)
    often = np.concatenate([np.repeat(np.arange(2), 500), np.arange(2, 400)])
    assert fitted_crowd(faces, people) == fitted_crowd(faces[often], people[often])


def test_crowd_is_drawn_alike_every_time() -> None:
    crowd = fitted_crowd(*_faces(200, uneven=True))
    again = Crowd.from_dict(crowd.to_dict())
    np.testing.assert_array_equal(crowd._drawn, again._drawn)
    assert crowd.name == again.name
    assert crowd.name != replace(crowd, centre=0.1).name


@pytest.mark.simulation
def test_strangers_reach_normalised_scores_as_often_as_similarities() -> None:
    faces, people = _faces(500, uneven=True)
    crowd = scaled_crowd(faces, people)
    pairs = np.triu_indices(500, 1)
    cohort = replace(PLAIN, crowd=crowd)
    plain = (faces[::2] @ faces[::2].T)[pairs]
    seen = cohort.seen(faces[::2])
    scores = cohort.scores_of_all(seen, seen)[pairs]
    for rate in (1e-2, 1e-3):
        np.testing.assert_allclose(
            np.quantile(scores, 1 - rate), np.quantile(plain, 1 - rate), atol=0.03
        )


def test_face_unlike_everybody_gets_no_exploding_score() -> None:
    """Its similarities to the crowd hardly vary."""
    crowd = scaled_crowd(*_faces(500, uneven=True))
    alone = np.eye(DIMENSION, dtype=np.float32)[-1:]
    found, usual = crowd.norms(alone), crowd.norms(crowd._drawn)
    assert found.deviations[0] > 0.5 * np.median(usual.deviations)
    assert found.means[0] >= usual.means.min()
