"""How a camera spoils faces, found from the faces that it kept, and done to clean pictures.

What is fitted is the size of a face in the camera's own pixels, blur, noise and the quality of its
JPEGs. Some hundreds of such degradations are drawn and done to clean faces; for each face of the
camera, the one is chosen whose result looks the most like it. Alike are pictures with the same
share of fine detail (the power in bands of the spectrum), not those with the same content. So the
chosen ones spread as the camera's pictures do. What a camera does beside that (motion, turned
heads, hard light) is not in them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ml_engine.images import decode_image, encode_jpeg
from ml_engine.training.adapt import CameraPairs, Pixels
from ml_engine.training.data import Faces
from ml_engine.types import Image

_DRAWN = 300
_CLEAN = 8
_MOST_CAMERA = 64
# Edges of the bands, in waves across the picture.
_BANDS = (2, 4, 7, 11, 16, 22, 30, 40, 55)
_LUMA = np.array([0.299, 0.587, 0.114])
# Mean difference between the largest and the smallest channel, below which a picture is grey.
_GREY_LEVELS = 4.0


@dataclass(frozen=True, slots=True)
class Degradation:
    """face_px: side of the aligned face in the camera's own pixels. blur: sigma in those pixels.
    noise: deviation in grey levels. quality: of the JPEG. is_grey: one channel, as by night."""

    face_px: int
    blur: float
    noise: float
    quality: int
    is_grey: bool

    def apply(self, picture: Image, random: np.random.Generator) -> Image:
        """An aligned face (size, size, 3) as the camera would give it."""
        side = (self.face_px, self.face_px)
        small = cv2.resize(picture, side, interpolation=cv2.INTER_AREA).astype(np.float32)
        if self.is_grey:
            small = np.repeat((small @ _LUMA)[..., None], 3, axis=2).astype(np.float32)
        blurred = cv2.GaussianBlur(small, (0, 0), self.blur)
        # A grey sensor has the same noise in every channel.
        noise = random.normal(0, self.noise, (*side, 1 if self.is_grey else 3))
        spoiled = np.clip(np.round(blurred + noise), 0, 255).astype(np.uint8)
        seen = decode_image(encode_jpeg(spoiled, self.quality))
        large = cv2.resize(seen, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        return np.asarray(large, np.uint8)


def fit_camera(clean: Pixels, camera: Pixels, *, seed: int) -> list[Degradation]:
    """The degradations that this camera does, each as often as it does it.

    Args:
        clean: (n, size, size, 3) aligned faces. camera: (m, size, size, 3) those of the camera.
    """
    random = np.random.default_rng(seed)
    faces = clean[random.permutation(len(clean))[:_CLEAN]]
    seen = camera[random.permutation(len(camera))[:_MOST_CAMERA]]
    is_grey = float(np.median(np.ptp(seen, axis=3).mean(axis=(1, 2)))) < _GREY_LEVELS
    drawn = [_draw(random, clean.shape[1], is_grey=is_grey) for _ in range(_DRAWN)]
    traits = np.stack([_traits(_apply_all(one, faces, random)).mean(axis=0) for one in drawn])
    wanted = _traits(seen)
    scale = wanted.std(axis=0) + 0.05
    away = ((wanted[:, None] - traits[None]) / scale) ** 2
    return [drawn[row] for row in away.sum(axis=2).argmin(axis=1)]


def pairs_by(
    faces: Faces, degradations: Sequence[Degradation], *, versions: int, seed: int
) -> CameraPairs:
    """Each face in so many versions, each spoiled by one of the degradations."""
    rows: NDArray[np.intp] = np.tile(np.arange(len(faces)), versions)
    spoiled = []
    for number, row in enumerate(rows):
        random = np.random.default_rng((seed, number))
        one = degradations[int(random.integers(len(degradations)))]
        spoiled.append(one.apply(faces.pictures[row], random))
    return CameraPairs(faces.pictures, np.stack(spoiled), rows, faces.people)


def _draw(random: np.random.Generator, size: int, *, is_grey: bool) -> Degradation:
    return Degradation(
        face_px=round(float(np.exp(random.uniform(np.log(10), np.log(size))))),
        blur=float(random.uniform(0.2, 2.5)),
        noise=float(12 * random.uniform() ** 2),
        quality=int(random.integers(15, 96)),
        is_grey=is_grey,
    )


def _apply_all(one: Degradation, faces: Pixels, random: np.random.Generator) -> Pixels:
    return np.stack([one.apply(face, random) for face in faces])


def _traits(pictures: Pixels) -> NDArray[np.float64]:
    """(n, size, size, 3) to (n, bands): the logarithm of the power in each band, relative to the
    lowest one, so that contrast and light do not count."""
    grey = pictures @ _LUMA
    grey -= grey.mean(axis=(1, 2), keepdims=True)
    side = grey.shape[1]
    window = np.hanning(side)
    power = np.abs(np.fft.fft2(grey * window * window[:, None])) ** 2
    waves = np.fft.fftfreq(side, 1 / side)
    radius = np.hypot(waves, waves[:, None])
    bands = [
        np.log10(power[:, (radius >= low) & (radius < high)].mean(axis=1) + 1)
        for low, high in itertools.pairwise(_BANDS)
    ]
    found = np.stack(bands, axis=1)
    return found[:, 1:] - found[:, :1]
