"""Recognition over time: the same at every frame rate, and right once a face is seen well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import numpy as np
import pytest

from ml_engine.matching import Candidate
from recognition.live.identity import Identity
from recognition.live.looks import Look, SameFace
from recognition.live.visits import Visit, VisitBook
from tests.fakes import embedding_of
from tests.recognition.live.faces import SAME_FACE, decided, face_at, match, nobody

_START = datetime(2026, 1, 1, tzinfo=UTC)
RATES = pytest.mark.parametrize("fps", [5, 10, 15, 25])
_ALIKE, _OTHERWISE = np.array([1.0, 0.0], np.float32), np.array([0.6, 0.8], np.float32)


@dataclass(frozen=True)
class _Sight:
    """What a camera sees of a face at one moment. number: whose embedding it has."""

    candidates: list[Candidate]
    quality: float = 0.9
    number: int = 1
    looks_otherwise: bool = False


Script = Callable[[float], _Sight]


class _Watch:
    """One track, from frame to frame: looked at when it wants to be."""

    def __init__(self, fps: float, *, same_face: SameFace = SAME_FACE) -> None:
        self.identity = Identity(1, 0.0)
        self.book = VisitBook(likeness=0.45)
        self.looks = self._frame = 0
        self._fps, self._same_face = fps, same_face
        self.over: list[Visit] = []

    @property
    def at_s(self) -> float:
        return self._frame / self._fps

    def see(self, script: Script, seconds: float) -> None:
        """More frames of the same track."""
        end_s = self.at_s + seconds
        while self.at_s < end_s - 1e-9:
            self._see(script(self.at_s))
            self._frame += 1

    def until_named(self, script: Script, person: str, most_s: float = 30.0) -> float:
        """How long it takes."""
        began_s = self.at_s
        while self.at_s - began_s < most_s:
            self._see(script(self.at_s))
            decision = self.identity.decision
            if decision is not None and decision.person == person:
                return self.at_s - began_s
            self._frame += 1
        return np.inf

    def _see(self, sight: _Sight) -> None:
        identity, at_s = self.identity, self.at_s
        appearance = _OTHERWISE if sight.looks_otherwise else _ALIKE
        face = face_at(0, quality=sight.quality)
        if identity.need(face, appearance, at_s, is_crowded=False):
            self.looks += 1
            look = Look(embedding_of(sight.number, looks=self._frame % 50), sight.quality)
            if not identity.look(look, sight.candidates, at_s, decided, self._same_face):
                self.book.pass_on(identity.track)
        now = _START + timedelta(seconds=at_s)
        self.book.see([identity], at_s, now)
        visit = self.book.visit_of(identity.track)
        if visit is not None and not identity.is_in_doubt:
            visit.quality = max(visit.quality or 0.0, sight.quality)
        self.over += self.book.close_gone(at_s)

    @property
    def events(self) -> list[tuple[str, object]]:
        """Decision and person of each visit, once all are over."""
        self.over += self.book.close()
        return [(visit.decision.kind, visit.person) for visit in self.over]


def _always(sight: _Sight, at_s: float) -> _Sight:
    return sight


ANN = _Sight(match("ann", 0.7))
HIDDEN = [
    pytest.param(_Sight(nobody(), quality=0.15), id="unusable"),
    pytest.param(_Sight(nobody(0.25), quality=0.4), id="poor"),
    pytest.param(_Sight(nobody(0.35), quality=0.85), id="covered, and the quality does not see it"),
]


@RATES
@pytest.mark.parametrize("hidden", HIDDEN)
def test_face_that_was_hidden_for_long_is_named_within_a_second(hidden: _Sight, fps: int) -> None:
    watch = _Watch(fps)
    watch.see(lambda _: hidden, 20.0)
    assert watch.identity.decision is None or watch.identity.decision.kind == "unknown"
    # A settled face without a name is looked at once a second, whatever its quality says.
    assert watch.until_named(lambda _: ANN, "ann") <= (3.0 if hidden.quality > 0.5 else 1.0)
    assert watch.events == [("match", "ann")]


def test_first_name_comes_after_the_same_time_at_every_frame_rate() -> None:
    """The first two pictures are blurred, as of a person who comes round a corner."""

    def script(at_s: float) -> _Sight:
        return ANN if at_s >= 0.2 else _Sight(nobody(0.3), quality=0.5)

    times = [_Watch(fps).until_named(script, "ann") for fps in (5, 10, 15, 25)]
    assert max(times) - min(times) <= 0.2
    assert max(times) <= 0.8


@RATES
def test_face_without_a_name_costs_one_look_a_second_once_it_is_settled(fps: int) -> None:
    watch = _Watch(fps)
    watch.see(lambda _: _Sight(nobody()), 1.0)
    before = watch.looks
    watch.see(lambda _: _Sight(nobody()), 10.0)
    assert watch.looks - before <= 11


@RATES
def test_unusable_face_costs_one_look_a_second(fps: int) -> None:
    watch = _Watch(fps)
    watch.see(lambda _: _Sight(nobody(), quality=0.1), 10.0)
    assert watch.looks <= 11


@RATES
def test_event_loses_a_name_that_the_stream_takes_back(fps: int) -> None:
    watch = _Watch(fps)
    watch.see(lambda _: _Sight(match("ann", 0.55)), 0.6)
    assert [visit.person for visit in watch.book.visits] == ["ann"]
    watch.see(lambda _: _Sight(nobody(0.25)), 15.0)
    (visit,) = watch.book.visits
    assert visit.is_revised
    assert watch.events == [("unknown", None)]


@RATES
def test_event_gets_the_right_name_if_the_first_one_was_wrong(fps: int) -> None:
    """The same face all the time: one event, and not one for each name."""
    same = SameFace(unlikely_below=0.35, likely_from=0.6)
    watch = _Watch(fps, same_face=same)
    watch.see(lambda _: _Sight(match("bob", 0.55), quality=0.5), 0.6)
    right = _Sight([Candidate("ann", 1, 0.75), Candidate("bob", 2, 0.3)])
    watch.see(lambda _: right, 8.0)
    assert watch.events == [("match", "ann")]


@RATES
def test_event_keeps_the_name_of_a_person_who_turns_away(fps: int) -> None:
    watch = _Watch(fps)
    watch.see(lambda _: ANN, 4.0)
    watch.see(lambda _: _Sight(nobody(0.3), quality=0.4), 20.0)
    assert watch.events == [("match", "ann")]


@RATES
@pytest.mark.parametrize("quality", [0.15, 0.4])
def test_named_person_who_covers_the_face_has_one_event(fps: int, quality: float) -> None:
    watch = _Watch(fps)
    watch.see(lambda _: ANN, 3.0)
    # A covered face is like nobody's, not even like itself.
    covered = _Sight(nobody(), quality=quality, number=2, looks_otherwise=True)
    watch.see(lambda _: covered, 5.0)
    watch.see(lambda _: ANN, 3.0)
    assert watch.events == [("match", "ann")]


@RATES
def test_person_who_was_hardly_seen_at_first_has_one_event(fps: int) -> None:
    """Blurred, the face was not even like itself."""
    watch = _Watch(fps)
    watch.see(lambda _: _Sight(nobody(), quality=0.35, number=2), 4.0)
    watch.see(lambda _: ANN, 3.0)
    assert watch.events == [("match", "ann")]


@RATES
def test_another_person_on_the_same_track_has_an_event_of_their_own(fps: int) -> None:
    watch = _Watch(fps)
    watch.see(lambda _: ANN, 3.0)
    watch.see(lambda _: _Sight(nobody(), number=2, looks_otherwise=True), 3.0)
    assert watch.events == [("match", "ann"), ("unknown", None)]


@RATES
def test_person_after_a_cut_never_bears_the_old_name(fps: int) -> None:
    watch, shown = _Watch(fps), []
    watch.see(lambda _: ANN, 3.0)
    other = _Sight(match("bob"), number=2, looks_otherwise=True)
    for _ in range(2 * fps):
        watch.see(lambda _: other, 1 / fps)
        decision = watch.identity.decision
        shown.append(decision.person if decision else None)
    assert "ann" not in shown
    assert shown[-1] == "bob"


@RATES
def test_face_that_never_shows_enough_makes_no_event(fps: int) -> None:
    watch = _Watch(fps)
    watch.see(lambda _: _Sight(nobody(), quality=0.08), 10.0)
    assert watch.identity.decision is not None
    assert watch.identity.decision.kind == "unknown"
    assert watch.events == []


@RATES
@pytest.mark.parametrize("sight", [ANN, _Sight(nobody())], ids=["known", "stranger"])
def test_face_that_is_gone_before_it_is_settled_makes_an_event(sight: _Sight, fps: int) -> None:
    watch = _Watch(fps)
    watch.see(lambda _: sight, 0.4)
    watch.book.leave(1)
    assert watch.events == [("match", "ann") if sight is ANN else ("unknown", None)]


def test_one_look_makes_an_event_only_if_it_is_strong() -> None:
    for similarity, events in ((0.55, []), (0.75, [("match", "ann")])):
        watch, sight = _Watch(5), _Sight(match("ann", similarity))
        watch.see(partial(_always, sight), 0.2)
        watch.book.leave(1)
        assert watch.events == events
