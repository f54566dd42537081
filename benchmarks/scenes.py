"""A room that a camera watches, with and without a person in it: what streams are made of.

The person is a photo of LFW with soft edges, which moves through the picture and comes nearer and
goes away, so that its face has 60 to 200 pixels. Every frame has the noise of a sensor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from ml_engine.types import Float32, Image

SIZE = (1280, 720)
NOISE = 3.0
# Sides of the photo in the picture: its face is two fifths as large.
_SIDES = (150, 500)
_NOISES = 8
_TURN_S = 12.0


def room(seed: int, size: tuple[int, int] = SIZE) -> Image:
    """Furniture, so to speak: large and small patches with edges."""
    rng = np.random.default_rng(seed)
    width, height = size
    picture = np.zeros((height, width, 3), np.float32)
    for across, weight in ((8, 0.6), (32, 0.3), (128, 0.1)):
        patches = rng.uniform(20, 230, (across * height // width + 1, across, 3))
        kind = cv2.INTER_NEAREST if across < 128 else cv2.INTER_CUBIC
        picture += weight * cv2.resize(patches.astype(np.float32), size, interpolation=kind)
    return np.clip(cv2.GaussianBlur(picture, (0, 0), 1.5), 0, 255).astype(np.uint8)


def film(
    background: Image, people: Sequence[Image], *, fps: float, seconds: float, seed: int = 0
) -> Iterator[Image]:
    """RGB frames (h, w, 3). people: photos (250, 250, 3) of LFW; each is in view for an equal part
    of the time. Without any, the room stays empty."""
    rng = np.random.default_rng(seed)
    height, width = background.shape[:2]
    noises = rng.normal(0, NOISE, (_NOISES, height, width, 1)).astype(np.float32)
    frames = round(fps * seconds)
    for number in range(frames):
        frame = background.astype(np.float32)
        if people:
            photo = people[number * len(people) // frames]
            _put(frame, photo, _place(number / fps, seed, (width, height)))
        frame += np.roll(noises[number % _NOISES], int(rng.integers(width)), axis=1)
        yield np.clip(frame, 0, 255).astype(np.uint8)


def _place(at_s: float, seed: int, size: tuple[int, int]) -> tuple[int, int, int]:
    """Left, top and side of the photo at a time."""
    turn = 2 * np.pi * at_s / _TURN_S + seed
    side = _SIDES[0] + (_SIDES[1] - _SIDES[0]) * (0.5 + 0.5 * np.sin(0.7 * turn))
    x = (size[0] - side) * (0.5 + 0.5 * np.sin(turn))
    y = (size[1] - side) * (0.5 + 0.4 * np.cos(1.3 * turn))
    return int(x), int(y), int(side)


def _put(frame: Float32, photo: Image, place: tuple[int, int, int]) -> None:
    x, y, side = place
    shown = cv2.resize(photo, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)
    part = frame[y : y + side, x : x + side]
    part += (shown - part) * _soft(side)


def _soft(side: int) -> Float32:
    """1 in the middle and 0 at the edges, (side, side, 1)."""
    mask = np.zeros((side, side), np.float32)
    centre, axes = (side // 2, side // 2), (side * 2 // 5, side * 9 // 20)
    cv2.ellipse(mask, centre, axes, 0, 0, 360, 1.0, -1)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), side / 40)[:, :, None], np.float32)
