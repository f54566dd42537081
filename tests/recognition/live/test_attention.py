"""Where a stream looks for faces."""

from __future__ import annotations

from functools import cache
from typing import cast

import numpy as np
import pytest

from ml_engine.request import Ask
from ml_engine.types import EngineBusy, Float32, Image
from recognition.live.areas import EVERYWHERE, Areas
from recognition.live.attention import (
    NOTHING,
    WHOLE,
    WHOLE_EMPTY_S,
    WHOLE_S,
    Attention,
    Watch,
)
from recognition.live.recogniser import Recogniser, SeenFace
from recognition.live.rulebook import Rulebook
from recognition.live.slot import Load
from recognition.live.view import View
from tests.fakes import FakeEngine, colour_of
from tests.recognition.live.faces import FakeRulebook

SIZE = (1280, 720)
STEP_S = 0.2
MIN_FACE_PX = 40


@cache
def _things() -> Float32:
    things = np.random.default_rng(1).integers(30, 220, (9, 16, 3)).astype(np.float32)
    return np.kron(things, np.ones((80, 80, 1), np.float32))


@cache
def _noise(seed: int) -> Float32:
    return 3 * np.random.default_rng(seed).standard_normal((720, 1280, 3), np.float32)


def _room(*, seed: int = 0, light: float = 0.0) -> Image:
    """A room with things in it, as a camera with noise sees it. seed: that of the noise, which is
    the same again after ten."""
    return np.clip(_things() + _noise(seed % 10) + light, 0, 255).astype(np.uint8)


def _with_somebody(picture: Image, x: int, y: int, side: int = 80) -> Image:
    picture = picture.copy()
    patches = np.random.default_rng(x).integers(40, 250, (side // 10, side // 10, 3))
    picture[y : y + side, x : x + side] = np.kron(patches, np.ones((10, 10, 1)))
    return picture


class Camera:
    """Shows pictures to a watch, five a second."""

    def __init__(self) -> None:
        self.watch = Watch(MIN_FACE_PX)
        self.now_s = 100.0
        self.areas = EVERYWHERE
        self.stretch = 1.0

    def shows(
        self, picture: Image, faces: list[Float32] | None = None, *, is_missed: bool = False
    ) -> Attention:
        """is_missed: the faces were not seen in the last frame."""
        self.now_s += STEP_S * self.stretch
        seen, missed = ([], faces or []) if is_missed else (faces or [], [])
        return self.watch.attend(
            View(picture).grey, SIZE, seen, self.now_s, self.areas, missed=missed,
            stretch=self.stretch,
        )  # fmt: skip

    def shows_empty_room(self, frames: int) -> list[Attention]:
        return [self.shows(_room(seed=number)) for number in range(frames)]


def test_first_frame_is_looked_at_whole() -> None:
    assert Camera().shows(_room()) is WHOLE


@pytest.mark.simulation
def test_empty_room_is_looked_at_now_and_then_alone() -> None:
    looks = Camera().shows_empty_room(61)
    assert looks.count(NOTHING) + looks.count(WHOLE) == len(looks)
    assert looks.count(WHOLE) == 1 + 60 * STEP_S / WHOLE_EMPTY_S


@pytest.mark.parametrize("place", [(0, 0), (600, 300), (1200, 640)])
def test_what_moved_is_looked_at_with_room_around_it(place: tuple[int, int]) -> None:
    camera = Camera()
    camera.shows_empty_room(3)
    x, y = place
    look = camera.shows(_with_somebody(_room(seed=9), x, y))
    x1, y1, x2, y2 = look.region  # type: ignore[misc]
    assert (x1, y1) <= (max(0, x - 20), max(0, y - 20))
    assert x2 >= min(1280, x + 100)
    assert y2 >= min(720, y + 100)
    assert (x2 - x1, y2 - y1) == (320, 320)


def test_face_that_stands_still_is_looked_at_in_every_frame() -> None:
    camera = Camera()
    face = np.array([600, 300, 700, 420], np.float32)
    picture = _with_somebody(_room(), 600, 300, 110)
    looks = [camera.shows(picture, [face]) for _ in range(50)]
    assert NOTHING not in looks
    assert looks.count(WHOLE) == pytest.approx(50 * STEP_S / WHOLE_S, abs=1)
    part = next(look for look in looks if look is not WHOLE)
    x1, y1, x2, y2 = part.region  # type: ignore[misc]
    assert x1 < 540 < 760 < x2
    assert y1 < 240 < 480 < y2


@pytest.mark.parametrize("stretch", [1.0, 2.0])
def test_lost_frames_do_not_make_whole_searches_more_frequent(stretch: float) -> None:
    """Otherwise an overload would make each of the frames that are left dearer."""
    camera = Camera()
    camera.stretch = stretch
    face = np.array([600, 300, 700, 420], np.float32)
    picture = _with_somebody(_room(), 600, 300, 110)
    looks = [camera.shows(picture, [face]) for _ in range(50)]
    assert looks.count(WHOLE) == pytest.approx(50 * STEP_S / WHOLE_S, abs=1)


def test_somebody_who_comes_is_looked_at_beside_a_face_that_is_there() -> None:
    camera = Camera()
    face = np.array([600, 300, 700, 420], np.float32)
    before = _with_somebody(_room(), 600, 300, 110)
    for _ in range(3):
        camera.shows(before, [face])
    look = camera.shows(_with_somebody(before, 300, 320), [face])
    x1, _, x2, _ = look.region  # type: ignore[misc]
    assert x1 <= 280
    assert x2 >= 760


def _walked(camera: Camera, *, is_missed: bool = False, side: int = 160) -> Attention:
    """What is searched while somebody walks, whose face has the width `side`."""
    looks = []
    for step in range(4):
        x = 500 + 40 * step
        face = np.array([x, 200, x + side, 200 + side * 1.2], np.float32)
        body = _with_somebody(_room(seed=step), x - side // 2, 200, min(2 * side, 520))
        looks.append(camera.shows(body, [face], is_missed=is_missed))
    return looks[-1]


def test_only_the_face_of_somebody_who_walks_is_searched() -> None:
    look = _walked(Camera())
    assert look.region is not None
    x1, y1, x2, y2 = look.region
    assert x2 - x1 == y2 - y1 == 480
    assert x1 < 620 - 100
    assert x2 > 780 + 100


@pytest.mark.parametrize(("side", "smallest"), [(80, 40), (160, 60), (200, 80), (300, 120)])
def test_pyramid_around_a_followed_face_is_as_small_for_a_large_face(
    side: int, smallest: int
) -> None:
    look = _walked(Camera(), side=side)
    assert look.region is not None
    assert look.min_face_px == smallest
    assert (look.region[2] - look.region[0]) / smallest == 8, "also if it fills the frame"


def test_small_face_beside_a_large_one_is_searched_for_in_its_size() -> None:
    camera, picture = Camera(), _with_somebody(_room(), 600, 200, 110)
    small, large = ([600, 200, 660, 270], [680, 200, 880, 440])
    faces = [np.array(box, np.float32) for box in (small, large)]
    looks = [camera.shows(picture, faces) for _ in range(3)]
    assert looks[-1].region is not None
    assert looks[-1].min_face_px is None


def test_everything_that_moves_is_searched_while_a_face_is_missed() -> None:
    seen, missed = _walked(Camera()), _walked(Camera(), is_missed=True)
    assert missed.min_face_px is None
    assert missed.region is None or missed.region[2] - missed.region[0] > 480
    assert seen.region is not None


def test_movement_away_from_somebody_is_searched_for_small_faces() -> None:
    camera = Camera()
    face = np.array([600, 300, 700, 420], np.float32)
    before = _with_somebody(_room(), 600, 300, 110)
    for _ in range(3):
        camera.shows(before, [face])
    assert camera.shows(_with_somebody(before, 300, 320), [face]).min_face_px is None


@pytest.mark.parametrize("change", ["light", "cut", "pause"])
def test_whole_picture_is_looked_at_after_a_change_of_all(change: str) -> None:
    camera = Camera()
    camera.shows_empty_room(3)
    if change == "pause":
        camera.now_s += 60
        assert camera.shows(_room(seed=5)) is WHOLE
    elif change == "light":
        assert camera.shows(_room(light=25)) is WHOLE
    else:
        assert camera.shows(np.ascontiguousarray(_room()[:, ::-1])) is WHOLE


@pytest.mark.simulation
def test_slow_change_of_the_light_is_no_movement() -> None:
    camera = Camera()
    looks = [camera.shows(_room(seed=number, light=number * 0.5)) for number in range(60)]
    assert looks.count(NOTHING) >= 52


def test_place_where_somebody_stopped_is_searched_a_little_longer() -> None:
    """Without a face that is known there: it may be found only now."""
    camera = Camera()
    camera.shows_empty_room(3)
    arrived = _with_somebody(_room(), 600, 300)
    looks = [camera.shows(arrived) for _ in range(40)]
    assert NOTHING not in looks[:12]
    assert looks[-8:].count(NOTHING) >= 7


@pytest.mark.parametrize("kind", ["watch", "ignore"])
def test_movement_outside_of_the_areas_alone_is_not_searched(kind: str) -> None:
    camera = Camera()
    left = np.array([[0, 0], [0.5, 0], [0.5, 1], [0, 1]], np.float32)
    camera.areas = Areas(**{kind: (left,)})
    camera.shows_empty_room(3)
    within, without = (300, 900) if kind == "watch" else (900, 300)
    street = _with_somebody(_room(seed=9), without, 300)
    assert camera.shows(street) is NOTHING
    assert camera.shows(_with_somebody(street, within, 300)) is not NOTHING


def test_frame_after_one_that_was_not_searched_is_searched_whole() -> None:
    camera = Camera()
    camera.shows_empty_room(3)
    camera.watch.start_anew()
    assert camera.shows(_room(seed=4)) is WHOLE


def test_picture_of_another_size_starts_anew() -> None:
    camera = Camera()
    camera.shows_empty_room(3)
    assert camera.shows(_room()[:, :960]) is WHOLE


class Stream:
    """A recogniser with an engine that finds coloured squares, five frames a second."""

    def __init__(self) -> None:
        self.engine = FakeEngine()
        rulebook = cast("Rulebook", FakeRulebook([1, 2]))
        self.recogniser = Recogniser(rulebook, ask=Ask(caller="test"), min_face_px=MIN_FACE_PX)
        self.now_s = 0.0

    def sees(self, *people: tuple[int, int, int]) -> list[SeenFace]:
        """One frame with these people: number, x and y."""
        picture = np.full((720, 1280, 3), 10, np.uint8)
        for number, x, y in people:
            picture[y : y + 80, x : x + 80] = colour_of(number)
        self.now_s += STEP_S
        view = View(picture)
        return self.recogniser.recognise(self.engine, view, self.now_s, {}, Load())[0]


def test_still_room_hardly_asks_the_engine() -> None:
    stream = Stream()
    for _ in range(51):
        assert stream.sees() == []
    assert stream.engine.calls <= 1 + 50 * STEP_S / WHOLE_EMPTY_S


@pytest.mark.parametrize("place", [(0, 0), (1200, 0), (610, 320), (0, 640), (1200, 640)])
def test_person_who_comes_is_seen_in_the_first_frame(place: tuple[int, int]) -> None:
    stream = Stream()
    for _ in range(5):
        stream.sees()
    assert len(stream.sees((1, *place))) == 1


@pytest.mark.simulation
def test_people_who_stand_come_and_walk_are_seen_in_every_frame() -> None:
    stream = Stream()
    for step in range(60):
        walker = [(2, 20 * step, 500)] if step >= 7 else []
        assert len(stream.sees((1, 700, 100), *walker)) == 1 + len(walker), step


def test_engine_that_was_busy_costs_no_person() -> None:
    stream = Stream()
    for _ in range(3):
        stream.sees()
    stream.engine.is_busy = True
    with pytest.raises(EngineBusy):
        stream.sees((1, 600, 300))
    stream.engine.is_busy = False
    stream.now_s += 2.5  # it stands, and is part of the room by now
    assert len(stream.sees((1, 600, 300))) == 1
