"""Which faces are wanted."""

from __future__ import annotations

import numpy as np

from ml_engine.request import Ask, Wanted
from ml_engine.types import Face


def _face(size: float) -> Face:
    return Face(np.array([0, 0, size, size], np.float32), np.zeros((5, 2), np.float32), 0.9)


FACES = [_face(size) for size in (300, 200, 100, 50)]


def test_wanted_without_limits_keeps_every_face() -> None:
    assert Wanted().among(FACES) == FACES


def test_wanted_keeps_the_largest_faces_under_the_maximum() -> None:
    assert Wanted(max_face_px=250, max_faces=2).among(FACES) == FACES[1:3]


def test_no_face_below_the_minimum_is_returned() -> None:
    assert Wanted(min_face_px=100).among(FACES) == FACES[:3]
    assert Wanted(min_face_px=101, max_faces=5).among(FACES) == FACES[:2]


def test_for_detector_takes_the_engines_minimum_if_the_call_has_none() -> None:
    assert Wanted().for_detector(40) == Wanted(min_face_px=40)
    assert Wanted(min_face_px=20).for_detector(40) == Wanted(min_face_px=20)


def test_for_detector_asks_for_all_faces_if_some_may_be_too_large() -> None:
    assert Wanted(max_faces=1).for_detector(40).max_faces == 1
    assert Wanted(max_faces=1, max_face_px=100).for_detector(40).max_faces is None


def test_for_detector_is_equal_for_calls_that_may_share_a_batch() -> None:
    one = Wanted(region=(0, 0, 9, 9), max_face_px=100, score_threshold=0.5)
    other = Wanted(region=(5, 5, 9, 9), max_face_px=200, score_threshold=0.5)
    assert one.for_detector(40) == other.for_detector(40)
    assert hash(one.for_detector(40)) == hash(other.for_detector(40))


def test_asks_with_different_timings_are_equal() -> None:
    assert Ask(caller="a", timings={}) == Ask(caller="a")
