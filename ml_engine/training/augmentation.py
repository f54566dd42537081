"""Pictures changed at random as cameras and people change them, anew in every step.

With a few hundred pictures this decides more than the loss or the network does: see
docs/training.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ml_engine.recipe import Augmentation


@dataclass(frozen=True, slots=True)
class Strength:
    """The most of each change; what is drawn is even between minus and plus it.

    flip, cut_out_share: probabilities.
    turn: degrees. zoom, shear, shift: shares, of the side of the picture.
    gamma: of its logarithm. gain: share of the contrast. light: how much brighter one side is than
        the middle.
    noise: deviation, in grey levels. cut_out: side of the covered square, as a share.
    """

    flip: float = 0.0
    turn: float = 0.0
    zoom: float = 0.0
    shear: float = 0.0
    shift: float = 0.0
    gamma: float = 0.0
    gain: float = 0.0
    light: float = 0.0
    noise: float = 0.0
    cut_out: float = 0.0
    cut_out_share: float = 0.5


STRENGTHS: dict[Augmentation, Strength] = {
    "none": Strength(),
    "weak": Strength(flip=0.5, shift=0.04),
    "strong": Strength(
        flip=0.5, turn=10, zoom=0.1, shear=0.1, shift=0.05, gamma=0.4, gain=0.2, light=0.5,
        noise=8, cut_out=0.4,
    ),
}  # fmt: skip


def augmented(
    pictures: NDArray[np.uint8], strength: Strength, random: np.random.Generator
) -> NDArray[np.float32]:
    """(n, size, size, channels) uint8 to float32 0..255 of the same shape."""
    if strength == STRENGTHS["none"]:
        return pictures.astype(np.float32)
    moved = np.stack([_moved(picture, strength, random) for picture in pictures])
    changed = _noisy(_lit(moved, strength, random), strength, random)
    return np.clip(changed, 0, 255).astype(np.float32)


def _moved(
    picture: NDArray[np.uint8], most: Strength, random: np.random.Generator
) -> NDArray[np.uint8]:
    """Turned, zoomed, sheared, shifted and mirrored, in one step."""
    side = picture.shape[0]
    turn, zoom, shear, right, down = random.uniform(-1, 1, 5)
    angle, scale = np.deg2rad(most.turn * turn), 1 + most.zoom * zoom
    matrix = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = matrix @ np.array([[1, most.shear * shear], [0, 1]])
    if random.random() < most.flip:
        matrix = matrix @ np.diag([-1, 1])
    middle = np.full(2, (side - 1) / 2)
    shift = middle - matrix @ middle + most.shift * side * np.array([right, down])
    full = np.column_stack([matrix, shift])
    moved = cv2.warpAffine(
        picture, full, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(moved, np.uint8).reshape(picture.shape)


def _lit(
    pictures: NDArray[np.uint8], most: Strength, random: np.random.Generator
) -> NDArray[np.float32]:
    """Gamma, contrast, and a lamp at one side."""
    count, side = pictures.shape[:2]
    values = random.uniform(-1, 1, (3, count, 1, 1, 1)).astype(np.float32)
    gamma, gain = np.exp(most.gamma * values[0]), 1 + most.gain * values[1]
    towards = random.uniform(0, 2 * np.pi, (count, 1, 1, 1)).astype(np.float32)
    across = np.linspace(-1, 1, side, dtype=np.float32)
    rightwards, downwards = across[None, None, :, None], across[None, :, None, None]
    slope = np.cos(towards) * rightwards + np.sin(towards) * downwards
    light = 1 + most.light * values[2] * slope
    bright = 255 * (pictures / np.float32(255)) ** gamma
    mean = bright.mean(axis=(1, 2, 3), keepdims=True)
    return (mean + gain * (bright - mean)) * light


def _noisy(
    pictures: NDArray[np.float32], most: Strength, random: np.random.Generator
) -> NDArray[np.float32]:
    """Noise of a sensor, and a square that covers a part of the face."""
    count, side = pictures.shape[:2]
    deviation = (most.noise * random.random((count, 1, 1, 1))).astype(np.float32)
    noisy = pictures + deviation * random.standard_normal(pictures.shape, np.float32)
    for picture in noisy:
        is_covered = random.random() < most.cut_out_share
        length = int(most.cut_out * side * random.uniform(0.5, 1))
        top, left = random.integers(0, side - length + 1, 2)
        grey = random.uniform(0, 255)
        if is_covered:
            picture[top : top + length, left : left + length] = grey
    return noisy
