"""Faces of frames become tracks."""

from __future__ import annotations

import numpy as np

from ml_engine.tracking import Tracker
from ml_engine.types import Face


def _face(x: float, y: float = 100, size: float = 80) -> Face:
    box = np.array([x, y, x + size, y + size], np.float32)
    return Face(box, np.zeros((5, 2), np.float32), 0.99)


def _numbers(tracker: Tracker, faces: list[Face], at_s: float) -> list[int]:
    return [track.number for track in tracker.update(faces, at_s)[0]]


def test_a_face_that_moves_a_little_stays_itself() -> None:
    tracker = Tracker()
    assert [_numbers(tracker, [_face(100 + 5 * n)], n / 15) for n in range(6)] == [[1]] * 6


def test_two_faces_are_kept_apart_whatever_their_order() -> None:
    tracker = Tracker()
    assert _numbers(tracker, [_face(100), _face(400)], 0) == [1, 2]
    assert _numbers(tracker, [_face(405), _face(102)], 0.1) == [2, 1]


def test_new_face_gets_a_new_track_number() -> None:
    tracker = Tracker()
    _numbers(tracker, [_face(100)], 0)
    assert _numbers(tracker, [_face(101), _face(500)], 0.1) == [1, 2]


def test_fast_face_is_matched_at_its_predicted_place() -> None:
    """Each step is wider than the face, so only its speed keeps it together."""
    tracker = Tracker()
    numbers = [_numbers(tracker, [_face(90 * n)], n * 0.1) for n in range(6)]
    assert numbers == [[1]] * 6


def test_a_track_survives_a_short_gap_and_ends_after_a_long_one() -> None:
    tracker = Tracker(max_gap_s=1.0)
    _numbers(tracker, [_face(100)], 0)
    assert tracker.update([], 0.9) == ([], [])
    assert _numbers(tracker, [_face(100)], 0.95) == [1]
    _, over = tracker.update([], 2.0)
    assert [track.number for track in over] == [1]
    assert _numbers(tracker, [_face(100)], 2.1) == [2]


def test_face_of_another_size_starts_another_track() -> None:
    tracker = Tracker()
    _numbers(tracker, [_face(100, size=40)], 0)
    assert _numbers(tracker, [_face(100, size=200)], 0.1) == [2]


def test_stretched_stream_bears_longer_gaps() -> None:
    tracker = Tracker(max_gap_s=1.0)
    tracker.update([_face(100)], 0.0, stretch=4)
    assert tracker.update([], 1.5, stretch=4) == ([], [])
    tracks, _ = tracker.update([_face(110)], 3.0, stretch=4)
    assert [track.number for track in tracks] == [1]
    _, over = tracker.update([], 7.1, stretch=4)
    assert [track.number for track in over] == [1]


def test_stretched_stream_matches_faces_that_moved_further() -> None:
    usual, stretched = Tracker(), Tracker()
    for tracker, stretch, number in ((usual, 1.0, 2), (stretched, 2.0, 1)):
        tracker.update([_face(100)], 0.0, stretch=stretch)
        tracks, _ = tracker.update([_face(230)], 0.5, stretch=stretch)
        assert [track.number for track in tracks] == [number]


def test_stretch_does_not_join_faces_at_both_ends_of_a_picture() -> None:
    tracker = Tracker()
    tracker.update([_face(100)], 0.0, stretch=20)
    tracks, _ = tracker.update([_face(500)], 4.0, stretch=20)
    assert [track.number for track in tracks] == [2]
