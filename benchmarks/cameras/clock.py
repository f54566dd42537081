"""The clock of a sensor, drawn into its pictures: 32 blocks, black or white, with the milliseconds
of CLOCK_MONOTONIC, the lowest bit first. They survive H.264 and JPEG."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ml_engine.types import Image

_SIDE = 16
_COLUMNS, _ROWS = 16, 2
_BITS = _COLUMNS * _ROWS
# Width and height of all blocks together.
CLOCK_SIZE = (_COLUMNS * _SIDE, _ROWS * _SIDE)
# Of a block, so many pixels at each edge are not read: codecs blur edges.
_EDGE = 4
_DARK, _BRIGHT = 64, 192


def draw_clock(luma: NDArray[np.uint8], ms: int) -> None:
    """Into the top left corner of (h, w), in place."""
    width, height = CLOCK_SIZE
    bits = ms >> np.arange(_BITS) & 1
    blocks = (255 * bits).astype(np.uint8).reshape(_ROWS, _COLUMNS)
    luma[:height, :width] = blocks.repeat(_SIDE, axis=0).repeat(_SIDE, axis=1)


def read_clock(image: Image) -> int | None:
    """The milliseconds in an RGB picture (h, w, 3); None if a block is neither black nor white."""
    width, height = CLOCK_SIZE
    grey = image[:height, :width].mean(axis=2)
    blocks = grey.reshape(_ROWS, _SIDE, _COLUMNS, _SIDE)[:, _EDGE:-_EDGE, :, _EDGE:-_EDGE]
    levels = blocks.mean(axis=(1, 3)).ravel()
    if ((levels > _DARK) & (levels < _BRIGHT)).any():
        return None
    return sum(1 << bit for bit, level in enumerate(levels) if level >= _BRIGHT)


def ms_since(clock_ms: int, now_s: float) -> float:
    """From a clock that was read to a time of `time.monotonic`. The clock begins again after 49
    days."""
    span = 1 << _BITS
    passed = (now_s * 1000 - clock_ms) % span
    return passed if passed < span / 2 else passed - span
