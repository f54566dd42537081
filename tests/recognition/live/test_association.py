"""Faces keep their track if two people cross, and walkers are one person in every frame."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import numpy as np
import pytest

from ml_engine.request import Ask, Wanted
from ml_engine.tracking import Tracker
from ml_engine.types import Face, Image
from recognition.live.association import find_exchanges
from recognition.live.identity import Identity
from recognition.live.recogniser import Recogniser
from recognition.live.rulebook import Rulebook
from recognition.live.slot import Load
from recognition.live.view import View
from recognition.live.visits import VisitBook
from tests.fakes import embedding_of
from tests.recognition.live.faces import SAME_FACE, FakeRulebook, face_at, look_at, match, settled

_START = datetime(2026, 1, 1, tzinfo=UTC)
_LIKELY = SAME_FACE.likely_from
_SIDE, _Y = 100, 100


def _pending(track: int, number: int) -> Identity:
    identity = Identity(track, 0.0)
    look_at(identity, match("ann"), 0.0, number=number)
    return identity


def test_two_faces_that_exchanged_their_tracks_are_put_back() -> None:
    ann, bob = settled(match("ann"), track=1, number=1), settled(match("bob"), track=2, number=2)
    looked = [(ann, embedding_of(2, looks=9)), (bob, embedding_of(1, looks=9))]
    assert find_exchanges(looked, [], _LIKELY) in ([(1, 2)], [(2, 1)])


def test_faces_on_their_own_tracks_stay_there() -> None:
    ann, bob = settled(match("ann"), track=1, number=1), settled(match("bob"), track=2, number=2)
    looked = [(ann, embedding_of(1, looks=9)), (bob, embedding_of(2, looks=9))]
    assert find_exchanges(looked, [settled(match("ann"), track=3, number=1)], _LIKELY) == []


def test_face_that_took_the_track_of_a_hidden_person_gets_its_own_back() -> None:
    ann, bob = settled(match("ann"), track=1, number=1), settled(match("bob"), track=2, number=2)
    assert find_exchanges([(ann, embedding_of(2, looks=9))], [bob], _LIKELY) == [(1, 2)]


def test_new_track_goes_on_with_the_lost_one_of_its_face() -> None:
    new, looked = Identity(7, 0.2), embedding_of(1, looks=9)
    assert find_exchanges([(new, looked)], [_pending(6, 1)], _LIKELY) == [(7, 6)]
    assert find_exchanges([(new, looked)], [_pending(6, 2)], _LIKELY) == []
    assert find_exchanges([(new, looked)], [settled(match("ann"), track=6)], _LIKELY) == [(7, 6)]


def test_new_track_takes_a_name_over_only_if_it_is_clearly_that_face() -> None:
    new, looked = Identity(7, 0.2), embedding_of(1, looks=9)
    alike = float(embedding_of(1) @ looked)
    for identity, pairs in ((_pending(6, 1), [(7, 6)]), (settled(match("ann"), track=6), [])):
        assert find_exchanges([(new, looked)], [identity], alike - 0.1) == pairs


def test_exchanged_tracks_go_on_with_the_face_of_the_other() -> None:
    tracker = Tracker()
    tracker.update([face_at(0), face_at(400)], 0.0)
    tracker.exchange(1, 2)
    tracks, _ = tracker.update([face_at(0), face_at(400)], 0.1)
    assert [track.number for track in tracks] == [2, 1]


class _Engine:
    """Finds people where the test puts them, in the part of the frame that is searched."""

    def __init__(self) -> None:
        self.people: dict[int, int] = {}  # number to x
        self._looks = 0

    def find(self, images: Sequence[Image], wanted: Wanted, *ask: object) -> list[list[Face]]:
        x1, y1, x2, y2 = wanted.region or (0, 0, 10**6, 10**6)
        found = [
            face_at(x, _Y, _SIDE)
            for x in self.people.values()
            if x1 <= x <= x2 - _SIDE and y1 <= _Y <= y2 - _SIDE
        ]
        return [found]

    def embed(self, image: Image, faces: Sequence[Face], *ask: object, **how: object) -> list[Face]:
        self._looks += 1
        by_x = {x: number for number, x in self.people.items()}
        return [
            replace(face, embedding=embedding_of(by_x[int(face.box[0])], looks=self._looks))
            for face in faces
        ]


def _frame(people: dict[int, int]) -> Image:
    """The people as squares on a plain wall (480, 640, 3)."""
    frame = np.full((480, 640, 3), 90, np.uint8)
    for number, x in people.items():
        frame[_Y : _Y + _SIDE, x : x + _SIDE] = 120 + 10 * number
    return frame


class _Camera:
    def __init__(self, fps: float, enrolled: Sequence[int]) -> None:
        self.engine, self.fps, self.frame = _Engine(), fps, 0
        rulebook = cast("Rulebook", FakeRulebook(enrolled))
        self.recogniser = Recogniser(rulebook, ask=Ask(caller="test"), min_face_px=None)
        self.book = VisitBook(_LIKELY)

    def see(self, people: dict[int, int]) -> dict[int, Hashable | None]:
        """One frame; the name at each place."""
        at_s = self.frame / self.fps
        self.frame += 1
        self.engine.people = people
        engine = cast("Any", self.engine)
        seen, left = self.recogniser.recognise(engine, View(_frame(people)), at_s, {}, Load())
        present = {one.identity.track for one in seen}
        for track in left:
            (self.book.pass_on if track in present else self.book.leave)(track)
        self.book.see([one.identity for one in seen], at_s, _START + timedelta(seconds=at_s))
        return {int(one.face.box[0]): _name_of(one.identity) for one in seen}

    def events(self) -> list[Hashable | None]:
        for _ in range(round(2 * self.fps)):
            self.see({})
        return [visit.person for visit in self.book.close()]


def _name_of(identity: Identity) -> Hashable | None:
    return identity.decision.person if identity.decision else None


@pytest.mark.parametrize("fps", [5, 10, 15, 25])
@pytest.mark.parametrize("seconds", [0.4, 0.55, 0.7])
@pytest.mark.parametrize("person", [1, 9], ids=["known", "stranger"])
def test_walker_who_passes_in_half_a_second_is_one_event(
    fps: int, seconds: float, person: int
) -> None:
    """Faster than a track can follow: at 5 frames a second each step is wider than two faces."""
    camera = _Camera(fps, enrolled=[1, 2])
    steps = int(seconds * fps + 1e-6)
    for step in range(steps):
        camera.see({person: 540 * step // max(1, steps - 1)})
    assert camera.events() == [1 if person == 1 else None]


@pytest.mark.parametrize("fps", [5, 10, 15, 25])
def test_people_who_cross_keep_their_names_and_events(fps: int) -> None:
    """They meet between two frames: by motion alone each could be the other."""
    camera, wrong = _Camera(fps, enrolled=[1, 2]), []
    for step in range(4 * fps + 1):
        share = abs(step / fps - 2.0) / 2.0
        # They come to the same place and turn back.
        ann, bob = round(260 - 200 * share), round(265 + 200 * share)
        named = camera.see({1: ann, 2: bob})
        wrong += [x for x, name in named.items() if name not in (None, 1 if x == ann else 2)]
    assert wrong == []
    assert sorted(map(str, camera.events())) == ["1", "2"]
