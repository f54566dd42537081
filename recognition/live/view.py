"""A frame as recognition sees it: it becomes RGB only if somebody needs that."""

from __future__ import annotations

import time
from functools import cached_property

import cv2
import numpy as np

from ml_engine.request import Timings
from ml_engine.types import Image
from recognition.cameras.pictures import VideoPicture, as_rgb
from recognition.cameras.sources.base import Picture
from recognition.live.attention import Grey, small_size
from recognition.web.metrics import observe_stages


class View:
    """Not thread-safe. `image`, `grey` and `size` raise ImageError if the frame is no picture.

    timings: the stage `decode`, once `image` was made.
    """

    def __init__(self, content: Picture) -> None:
        self._content = content
        self.timings: Timings = {}

    @cached_property
    def image(self) -> Image:
        """RGB uint8 (h, w, 3)."""
        began = time.perf_counter()
        image = as_rgb(self._content)
        self.timings["decode"] = (time.perf_counter() - began) * 1000
        observe_stages(self.timings)
        return image

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        if isinstance(self._content, VideoPicture):
            return self._content.size
        height, width = self.image.shape[:2]
        return width, height

    @cached_property
    def grey(self) -> Grey:
        """A copy of `small_size`, (h, w)."""
        size = small_size(self.size)
        if isinstance(self._content, VideoPicture):
            return self._content.grey(*size)
        small = cv2.resize(self.image, size, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
