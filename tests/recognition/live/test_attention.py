"""Where a stream looks for faces."""

from __future__ import annotations

import numpy as np
import pytest

from ml_engine.types import Float32, Image
from recognition.live.attention import NOTHING, WHOLE, WHOLE_EMPTY_S, WHOLE_S, Watch, small_grey

SIZE = (1280, 720)
STEP_S = 0.2
MIN_FACE_PX = 40


def _room(*, noise: float = 3.0, seed: int = 0, light: float = 0.0) -> Image:
    """A room with things in it, as a camera with noise sees it."""
    rng = np.random.default_rng(1)
    things = rng.integers(30, 220, (9, 16, 3)).astype(np.float32)
    picture = np.kron(things, np.ones((80, 80, 1), np.float32)) + light
    picture += np.random.default_rng(seed).normal(0, noise, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8)


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

    def shows(self, picture: Image, faces: list[Float32] | None = None) -> object:
        self.now_s += STEP_S
        return self.watch.attend(small_grey(picture), SIZE, faces or [], self.now_s)

    def shows_empty_room(self, frames: int) -> list[object]:
        return [self.shows(_room(seed=number)) for number in range(frames)]


def test_first_frame_is_looked_at_whole() -> None:
    assert Camera().shows(_room()) is WHOLE


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
    x1, y1, x2, y2 = look.region  # type: ignore[attr-defined]
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
    x1, y1, x2, y2 = part.region  # type: ignore[attr-defined]
    assert x1 < 540 < 760 < x2
    assert y1 < 240 < 480 < y2


def test_somebody_who_comes_is_looked_at_beside_a_face_that_is_there() -> None:
    camera = Camera()
    face = np.array([600, 300, 700, 420], np.float32)
    before = _with_somebody(_room(), 600, 300, 110)
    for _ in range(3):
        camera.shows(before, [face])
    look = camera.shows(_with_somebody(before, 300, 320), [face])
    x1, _, x2, _ = look.region  # type: ignore[attr-defined]
    assert x1 <= 280
    assert x2 >= 760


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


def test_slow_change_of_the_light_is_no_movement() -> None:
    camera = Camera()
    looks = [camera.shows(_room(seed=number, light=number * 0.5)) for number in range(60)]
    assert looks.count(NOTHING) >= 52


def test_picture_of_another_size_starts_anew() -> None:
    camera = Camera()
    camera.shows_empty_room(3)
    assert camera.shows(_room()[:, :960]) is WHOLE
