"""Pictures of people: a photo of LFW, turned, covered, blurred or made smaller."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from ml_engine.images import decode_image
from ml_engine.types import Float32, Image

Cover = Literal["", "eyes", "glasses", "mask"]
SIZE = (640, 480)
# Sides of a picture of a person, and where its face is, in widths of the face.
_SIDE, _FACE_Y = 2.6, 1.15
_GRAIN = 3.0
_MASK_RGB, _GLASSES_RGB = (150, 190, 215), (28, 26, 30)


@dataclass(frozen=True, slots=True)
class View:
    """One way to see a person.

    photo: file below the folder of LFW. width_px: of the face. yaw, roll: degrees. blur: its sigma
    in per cent of the width of the face. grain: number of the sensor noise.
    """

    photo: str
    width_px: int
    yaw: int = 0
    roll: int = 0
    cover: Cover = ""
    blur: int = 0
    grain: int = 0


@dataclass(frozen=True, slots=True)
class Anatomy:
    """A photo, and where its face is: box (4,), landmarks (5, 2)."""

    image: Image
    box: Float32
    landmarks: Float32

    @property
    def width(self) -> float:
        return float(self.box[2] - self.box[0])

    @property
    def centre(self) -> Float32:
        return (self.box[:2] + self.box[2:]) / np.float32(2)


@dataclass(frozen=True, slots=True)
class Sprite:
    """A person without background: RGB (h, w, 3); mask (h, w): 255 where the person is."""

    image: Image
    mask: NDArray[np.uint8]
    centre: Float32

    def paste(self, frame: Image, x: float, y: float) -> None:
        """Draw the person with the middle of the face at x, y."""
        left, top = (round(float(v)) for v in np.array([x, y]) - self.centre)
        height, width = self.mask.shape
        x1, y1 = max(0, left), max(0, top)
        x2, y2 = min(frame.shape[1], left + width), min(frame.shape[0], top + height)
        if x1 >= x2 or y1 >= y2:
            return
        part = (slice(y1 - top, y2 - top), slice(x1 - left, x2 - left))
        target = np.ascontiguousarray(frame[y1:y2, x1:x2])
        cv2.copyTo(self.image[part], self.mask[part], target)
        frame[y1:y2, x1:x2] = target


def draw(view: View, anatomy: Anatomy) -> Sprite:
    image = _covered(anatomy, view.cover)
    image = _turned(image, anatomy, view.yaw)
    side = round(_SIDE * view.width_px)
    centre = np.array([side / 2, _FACE_Y * view.width_px], np.float32)
    x, y = (float(v) for v in anatomy.centre)
    move = np.asarray(
        cv2.getRotationMatrix2D((x, y), view.roll, view.width_px / anatomy.width), np.float64
    )
    move[:, 2] += centre - anatomy.centre
    shape, flags = (side, side), cv2.INTER_AREA
    small = cv2.warpAffine(image, move, shape, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    mask = cv2.warpAffine(_outline(anatomy), move, shape, flags=cv2.INTER_NEAREST)
    if view.blur:
        small = cv2.GaussianBlur(small, (0, 0), view.blur / 100 * view.width_px)
    noisy = small.astype(np.float32) + _noise(side, view.grain)
    return Sprite(np.clip(noisy, 0, 255).astype(np.uint8), np.asarray(mask, np.uint8), centre)


def read_photo(path: Path) -> Image:
    return decode_image(path.read_bytes())


def wall(width: int = SIZE[0], height: int = SIZE[1]) -> Image:
    """RGB (height, width, 3): an empty room."""
    return _wall(width, height).copy()


@lru_cache(maxsize=16)
def _wall(width: int, height: int) -> Image:
    columns = np.linspace(95, 125, width, dtype=np.float32)[None, :, None]
    image = np.broadcast_to(columns, (height, width, 3))
    noise = np.random.default_rng(5).normal(0, _GRAIN, (height, width, 1))
    return np.clip(image + noise, 0, 255).astype(np.uint8)


@lru_cache(maxsize=64)
def _noise(side: int, number: int) -> Float32:
    return np.random.default_rng([6, number]).normal(0, _GRAIN, (side, side, 1)).astype(np.float32)


def _outline(anatomy: Anatomy) -> NDArray[np.uint8]:
    """Head and shoulders."""
    mask = np.zeros(anatomy.image.shape[:2], np.uint8)
    (x, y), width = anatomy.centre, anatomy.width
    axes = (round(0.8 * width), round(1.05 * width))
    cv2.ellipse(mask, (round(float(x)), round(float(y))), axes, 0, 0, 360, 255, -1)
    neck, bottom = y + 0.6 * width, anatomy.image.shape[0]
    corners = [(x - 0.5 * width, neck), (x + 0.5 * width, neck),
               (x + 1.2 * width, bottom), (x - 1.2 * width, bottom)]  # fmt: skip
    cv2.fillPoly(mask, [np.array(corners, np.int32)], 255)
    return mask


def _covered(anatomy: Anatomy, cover: Cover) -> Image:
    image = anatomy.image.copy()
    if not cover:
        return image
    left, right, nose, mouth_left, mouth_right = anatomy.landmarks
    across = (right - left) / max(float(np.linalg.norm(right - left)), 1.0)
    down = np.array([-across[1], across[0]])
    distance = float(np.linalg.norm(right - left))
    if cover == "mask":
        mouth = (mouth_left + mouth_right) / 2
        chin = mouth + 0.9 * distance * down
        corners = [nose - 1.0 * distance * across - 0.1 * distance * down,
                   nose - 0.15 * distance * down,
                   nose + 1.0 * distance * across - 0.1 * distance * down,
                   chin + 0.7 * distance * across, chin - 0.7 * distance * across]  # fmt: skip
        colour: tuple[int, ...] = _MASK_RGB
    else:
        middle, long, high = (left + right) / 2, 0.95 * distance, 0.36 * distance
        corners = [middle + a * long * across + b * high * down
                   for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]  # fmt: skip
        colour = _GLASSES_RGB if cover == "glasses" else _skin(anatomy)
    cv2.fillPoly(image, [np.array(corners, np.int32)], colour)
    return image


def _skin(anatomy: Anatomy) -> tuple[int, ...]:
    """Of the cheeks, a little darker: a hand."""
    (x, y), reach = anatomy.landmarks[2], max(2, round(0.15 * anatomy.width))
    part = anatomy.image[int(y) - reach : int(y) + reach, int(x) - reach : int(x) + reach]
    return tuple(int(0.85 * v) for v in np.median(part.reshape(-1, 3), axis=0))


def _turned(image: Image, anatomy: Anatomy, yaw: int) -> Image:
    """As if the head was a cylinder with the photo on it. Of its far side nothing is known: the
    edge of the photo's face is repeated there."""
    if not yaw:
        return image
    height, width = image.shape[:2]
    radius, x = 0.75 * anatomy.width, float(anatomy.centre[0])
    columns = np.arange(width, dtype=np.float32)
    shift = np.clip((columns - x) / radius, -1, 1)
    angles = np.clip(np.arcsin(shift) + np.radians(yaw), -np.pi / 2, np.pi / 2)
    source = np.where(np.abs(columns - x) < radius, x + radius * np.sin(angles), columns)
    map_x = np.broadcast_to(source.astype(np.float32), (height, width)).copy()
    map_y = np.broadcast_to(np.arange(height, dtype=np.float32)[:, None], (height, width)).copy()
    return np.asarray(cv2.remap(image, map_x, map_y, cv2.INTER_LINEAR), np.uint8)
