"""Frames of cameras as RGB pictures, and as JPEGs of limited size."""

from __future__ import annotations

from collections.abc import Callable
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

# A little more than a 4K picture: larger ones would take seconds.
MAX_PIXELS = 10_000_000


class Converters:
    """Convert the frames of one video, one after the other, in one thread. A new converter for each
    frame would cost more than a small copy, and start threads of its own."""

    def __init__(self) -> None:
        from av.video.reformatter import VideoReformatter

        self._of_colours, self._of_grey = VideoReformatter(), VideoReformatter()

    def rgb(self, frame: av.VideoFrame) -> Image:
        """(h, w, 3) uint8."""
        converted = self._of_colours.reformat(frame, format="rgb24", threads=1)
        return np.asarray(converted.to_ndarray(), np.uint8)

    def grey(self, frame: av.VideoFrame, width: int, height: int) -> NDArray[np.uint8]:
        """(height, width) uint8."""
        small = self._of_grey.reformat(
            frame, width, height, "gray", interpolation="AREA", threads=1
        )
        return np.asarray(small.to_ndarray(), np.uint8)


class VideoPicture:
    """A decoded frame of a video, which is converted only as far as it is needed. Called, it
    returns RGB uint8 (h, w, 3).

    used: called before each conversion: the frame was not dropped.
    """

    def __init__(
        self, frame: av.VideoFrame, converters: Converters, used: Callable[[], None] = lambda: None
    ) -> None:
        self._frame = frame
        self._converters = converters
        self._used = used

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self._frame.width, self._frame.height

    def __call__(self) -> Image:
        self._used()
        return self._converters.rgb(self._frame)

    def grey(self, width: int, height: int) -> NDArray[np.uint8]:
        """A small copy (height, width), 0 to 255."""
        self._used()
        return self._converters.grey(self._frame, width, height)


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
