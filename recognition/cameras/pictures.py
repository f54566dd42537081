"""Frames of cameras as RGB pictures, and as JPEGs of limited size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from ml_engine.images import ImageLimits, decode_image, encode_jpeg
from ml_engine.types import Image
from recognition.cameras.sources.base import Picture

if TYPE_CHECKING:
    import av
    from av.video.reformatter import VideoReformatter

# A little more than a 4K picture: larger ones would take seconds.
MAX_PIXELS = 10_000_000


class VideoPicture:
    """A decoded frame of a video, which is converted only as far as it is needed. Called, it
    returns RGB uint8 (h, w, 3).

    shrinker: one for all frames of a video, because a new one costs more than the small copy.
    """

    def __init__(self, frame: av.VideoFrame, shrinker: VideoReformatter) -> None:
        self._frame = frame
        self._shrinker = shrinker

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self._frame.width, self._frame.height

    def __call__(self) -> Image:
        return np.asarray(self._frame.to_ndarray(format="rgb24"), np.uint8)

    def grey(self, width: int, height: int) -> NDArray[np.uint8]:
        """A small copy (height, width), 0 to 255."""
        small = self._shrinker.reformat(self._frame, width, height, "gray", interpolation="AREA")
        return np.asarray(small.to_ndarray(), np.uint8)


def as_rgb(picture: Picture) -> Image:
    """RGB uint8 (h, w, 3). ImageError if it is no picture, or too large."""
    if isinstance(picture, bytes):
        limits = ImageLimits(max_bytes=settings.MAX_FRAME_BYTES, max_pixels=MAX_PIXELS)
        return decode_image(picture, limits)
    return picture() if callable(picture) else picture


def shrunk_jpeg(image: Image, side_px: int, *, quality: int) -> bytes:
    """RGB uint8 (h, w, 3) as a JPEG whose longer side is `side_px` at most."""
    height, width = image.shape[:2]
    scale = side_px / max(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return encode_jpeg(image, quality)
