"""Photos spoiled on purpose, in the kinds of spoiling that cameras and programs do.

Strengths are for photos of LFW, 250x250 pixels with a face of about 95. They are such that most
faces are still found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import cv2
import numpy as np

from ml_engine.images import decode_image, encode_jpeg
from ml_engine.types import Image

Spoil = Callable[[Image, np.random.Generator], Image]

# Side of the face in a photo of LFW, as the detector finds it, in sides of the photo.
_FACE_SHARE = 0.38


def _clean(image: Image, random: np.random.Generator) -> Image:
    return image


def small(image: Image, random: np.random.Generator, *, face_px: float = 17) -> Image:
    """A face of so many pixels, enlarged to its old size."""
    height, width = image.shape[:2]
    factor = face_px / (_FACE_SHARE * width)
    size = (round(width * factor), round(height * factor))
    tiny = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return _image(cv2.resize(tiny, (width, height), interpolation=cv2.INTER_CUBIC))


def blur(image: Image, random: np.random.Generator, *, sigma: float = 2.0) -> Image:
    """Out of focus."""
    return _image(cv2.GaussianBlur(image, (0, 0), sigma))


def infrared(image: Image, random: np.random.Generator) -> Image:
    """As under an infrared lamp: one channel, bright skin, dark corners, little contrast."""
    height, width = image.shape[:2]
    grey = image @ np.array([0.7, 0.25, 0.05])
    grey = 255 * (grey / 255) ** 0.65
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    lit = 0.75 * grey * np.exp(-(rows**2 + columns**2) / 4) + 25
    lit = cv2.GaussianBlur(lit, (0, 0), 1.0) + random.normal(0, 4, lit.shape)
    return _image(np.repeat(lit[..., None], 3, axis=2))


def dark(image: Image, random: np.random.Generator, *, light: float = 0.25) -> Image:
    """Little light: few grey levels, and the noise of the sensor."""
    return _image(image * light + random.normal(0, 1.5, image.shape))


def jpeg(image: Image, random: np.random.Generator, *, quality: int = 5) -> Image:
    return decode_image(encode_jpeg(image, quality))


def motion(image: Image, random: np.random.Generator, *, length: int = 9) -> Image:
    """The face moves sideways while the shutter is open."""
    return _image(cv2.blur(image, (length, 1)))


def noise(image: Image, random: np.random.Generator, *, sigma: float = 30) -> Image:
    return _image(image + random.normal(0, sigma, image.shape))


KINDS: dict[str, Spoil] = {
    "clean": _clean,
    "small": small,
    "blur": blur,
    "infrared": infrared,
    "dark": dark,
    "jpeg": jpeg,
    "motion": motion,
    "noise": noise,
}


# The same, worse: what a cohort has to know beside them.
WORSE: dict[str, Spoil] = {
    "smaller": partial(small, face_px=14),
    "blur_3": partial(blur, sigma=3),
    "infrared_noise": lambda image, random: noise(infrared(image, random), random, sigma=6),
    "darker": partial(dark, light=0.12),
    "jpeg_10": partial(jpeg, quality=10),
    "motion_15": partial(motion, length=15),
    "noise_50": partial(noise, sigma=50),
}


def spoiled(image: Image, kind: str, seed: Sequence[int] | int) -> Image:
    """RGB (h, w, 3) of this kind; the same seed gives the same picture."""
    return (KINDS | WORSE)[kind](image, np.random.default_rng(seed))


def _image(values: np.ndarray) -> Image:
    return np.ascontiguousarray(np.clip(np.round(values), 0, 255).astype(np.uint8))
