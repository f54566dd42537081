"""Scenes with known truth, and what is counted."""

from __future__ import annotations

import pytest

from benchmarks.visits.figures import Seen, clopper_pearson
from benchmarks.visits.scenes import Person, all_scenes, stranger_visit

CAST = [Person("Ann", "Ann/Ann_0002.jpg"), Person("Bob", "Bob/Bob_0002.jpg")]


def _seen(**values: object) -> Seen:
    fields: dict[str, object] = {"scene": "stands", "fps": 5.0, "who": "Ann", "is_visit": True}
    return Seen(**(fields | values))  # type: ignore[arg-type]


def test_interval_is_that_of_clopper_and_pearson() -> None:
    assert clopper_pearson(0, 100) == pytest.approx((0.0, 0.0362), abs=1e-4)
    assert clopper_pearson(10, 1340) == pytest.approx((0.00359, 0.01368), abs=1e-4)


def test_visit_is_right_with_one_event_of_its_person() -> None:
    assert _seen(events=["Ann"]).is_right
    for events in ([], ["?"], ["Bob"], ["Ann", "Ann"], ["?", "Ann"]):
        assert not _seen(events=events).is_right
    assert _seen(who=None, events=["?"]).is_right
    assert _seen(who=None, is_visit=False, events=[]).is_right


def test_answers_are_counted_as_right_wrong_or_taken_back() -> None:
    seen = _seen()
    for name, since_s in ((None, -0.2), ("Ann", 0.2), (None, 0.4), ("Bob", 0.6), ("Ann", 9.0)):
        seen.hear(name, since_s)
    assert (seen.frames, seen.named_after_s, seen.wrong, seen.taken_back) == (5, 0.2, 1, 1)


@pytest.mark.parametrize("fps", [5.0, 25.0])
def test_each_moment_looks_the_same_at_every_frame_rate(fps: int) -> None:
    for scene, same in zip(all_scenes(CAST), all_scenes(CAST), strict=True):
        views = {round(s, 2): [p for _, p in here] for s, here in scene.frames(fps)}
        others = {round(s, 2): [p for _, p in here] for s, here in same.frames(1.0)}
        assert all(views[second] == here for second, here in others.items())


def test_stranger_stays_for_six_seconds() -> None:
    frames = [here for _, here in stranger_visit("Eve/Eve_0001.jpg").frames(10.0)]
    assert sum(bool(here) for here in frames) == 60
