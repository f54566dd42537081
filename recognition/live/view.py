"""A frame as the recognition sees it: turned into an RGB picture only if somebody needs that."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ml_engine.images import ImageLimits, decode_image
from ml_engine.types import Image
from recognition.cameras.sources.base import LazyPicture, Picture
from recognition.live.attention import Grey, small_grey


class View:
    """Not thread-safe. Each property may raise ImageError for a frame that is no picture."""

    def __init__(self, content: Picture, limits: ImageLimits) -> None:
        self._content = content
        self._limits = limits

    @cached_property
    def image(self) -> Image:
        """RGB uint8 (h, w, 3)."""
        content = self._content
        if isinstance(content, bytes):
            return decode_image(content, self._limits)
        return content if isinstance(content, np.ndarray) else content.rgb()

    @cached_property
    def grey(self) -> Grey:
        """The small copy that is compared with earlier frames."""
        is_lazy = isinstance(self._content, LazyPicture)
        return small_grey(self._content.brightness() if is_lazy else self.image)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        content = self._content
        if isinstance(content, LazyPicture):
            return content.size
        height, width = self.image.shape[:2]
        return width, height
