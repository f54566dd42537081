"""Photos spoiled on purpose, in the kinds of spoiling that cameras and programs do.

Strengths are for photos of LFW, 250x250 pixels with a face of about 95. They are such that most
faces are still found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

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


def blur(image: Image, random: np.random.Generator, *, sigma: float = 3.0) -> Image:
    """Out of focus."""
    return _image(cv2.GaussianBlur(image, (0, 0), sigma))


def infrared(image: Image, random: np.random.Generator) -> Image:
    """As under an infrared lamp: one channel, bright skin, dark corners, little contrast."""
    height, width = image.shape[:2]
    grey = image @ np.array([0.75, 0.2, 0.05])
    grey = 255 * (grey / 255) ** 0.6
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    lit = 0.75 * grey * np.exp(-(rows**2 + columns**2) / 1.5) + 30
    lit = cv2.GaussianBlur(lit, (0, 0), 1.2) + random.normal(0, 6, lit.shape)
    return _image(np.repeat(lit[..., None], 3, axis=2))


def dark(image: Image, random: np.random.Generator, *, light: float = 0.12) -> Image:
    """Little light: few grey levels, and the noise of the sensor."""
    return _image(image * light + random.normal(0, 2, image.shape))


def jpeg(image: Image, random: np.random.Generator, *, quality: int = 5) -> Image:
    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return _image(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])


def motion(image: Image, random: np.random.Generator, *, length: int = 15) -> Image:
    """The face moves along a straight line, in any direction, while the shutter is open."""
    angle = random.uniform(0, np.pi)
    steps = np.linspace(-(length - 1) / 2, (length - 1) / 2, 4 * length)
    kernel = np.zeros((length, length), np.float32)
    columns = np.round(steps * np.cos(angle) + (length - 1) / 2).astype(int)
    rows = np.round(steps * np.sin(angle) + (length - 1) / 2).astype(int)
    np.add.at(kernel, (rows, columns), 1)
    return _image(cv2.filter2D(image, -1, kernel / kernel.sum()))


def noise(image: Image, random: np.random.Generator, *, sigma: float = 45) -> Image:
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


def spoiled(image: Image, kind: str, seed: Sequence[int] | int) -> Image:
    """RGB (h, w, 3) of this kind; the same seed gives the same picture."""
    return KINDS[kind](image, np.random.default_rng(seed))


def _image(values: np.ndarray) -> Image:
    return np.ascontiguousarray(np.clip(np.round(values), 0, 255).astype(np.uint8))
