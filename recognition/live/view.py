"""A frame as the recognition sees it: decoded and turned into RGB only if somebody needs that."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ml_engine.images import ImageLimits, decode_image
from ml_engine.types import Image
from recognition.cameras.sources.base import Picture, WithBrightness
from recognition.live.attention import Grey, small_grey

_ANY = ImageLimits()


class View:
    """Not thread-safe. `image`, `grey` and `size` raise ImageError if the frame is no picture."""

    def __init__(self, content: Picture, limits: ImageLimits = _ANY) -> None:
        self._content = content
        self._limits = limits

    def decode(self) -> None:
        """Do now what is needed of every frame."""
        _ = self.grey

    @cached_property
    def image(self) -> Image:
        """RGB uint8 (h, w, 3)."""
        content = self._content
        if isinstance(content, bytes):
            return decode_image(content, self._limits)
        return content if isinstance(content, np.ndarray) else content()

    @cached_property
    def grey(self) -> Grey:
        """The small copy that is compared with earlier frames."""
        content = self._content
        brightness = content.brightness() if isinstance(content, WithBrightness) else None
        return small_grey(self.image if brightness is None else brightness)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        if isinstance(self._content, WithBrightness):
            return self._content.size
        height, width = self.image.shape[:2]
        return width, height
