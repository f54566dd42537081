"""Where to look for faces in a frame of a stream.

Finding faces costs most of what a frame costs, and most frames show nothing new: an empty room, or
people whose faces are where they were. A small grey copy of the frame is compared with the picture
of the last moments. If nothing moved and nobody is in view, nothing is looked for; otherwise the
part that moved, together with the faces of the last frames, is enough. The whole picture is looked
at now and then all the same: what the comparison misses is found a little later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from ml_engine.request import Region
from ml_engine.types import Float32

Grey: TypeAlias = NDArray[np.uint8]  # (h, w)

# The longer side of the small copy.
SIDE = 160
# Time between two looks at the whole picture: with somebody in view, and without.
WHOLE_S = 1.0
WHOLE_EMPTY_S = 2.0
# A cell changed if its brightness (0 to 255) differs by more than this. Of a camera's noise (sigma
# 3 a pixel) 0.4 is left after the mean of a cell; what compression changes stays below 5.
_CHANGED = 7
# The picture to compare with follows the newest one within about this time: longer, and somebody
# who walks leaves a trail behind; shorter, and what moves slowly is not seen.
_FOLLOWS_S = 0.4
# Sides of the square parts, in smallest faces. Few, because the engine prepares itself for each
# size of picture.
_SIDES = (8, 12, 16)
# A part larger than this is not worth it.
_MOST_OF_PICTURE = 0.5
# Room around a face and around what moved, as a part of the face and of the picture.
_FACE_ROOM = 0.75
_MOVED_ROOM = 0.05
# After a pause or a cut the picture to compare with says nothing.
_LONG_S = 3.0
_TWO_BY_TWO = np.ones((2, 2), np.uint8)


@dataclass(frozen=True, slots=True)
class Attention:
    """region: the part to look at; None is the whole picture. is_needed: False if nothing has to be
    looked for."""

    region: Region | None = None
    is_needed: bool = True


WHOLE = Attention()
NOTHING = Attention(is_needed=False)


class Watch:
    """The attention of one stream. Not thread-safe.

    min_face_px: size of the smallest face that is looked for.
    """

    def __init__(self, min_face_px: int) -> None:
        self._sides = [side * min_face_px for side in _SIDES]
        self._background: Float32 | None = None
        self._last_s = 0.0
        self._whole_s = -np.inf  # of the last look at the whole picture

    def attend(
        self, grey: Grey, size: tuple[int, int], faces: Sequence[Float32], at_s: float
    ) -> Attention:
        """Where to look in the frame.

        Args:
            grey: the small copy, from `small_grey`.
            size: width and height of the frame.
            faces: boxes (4,) of the faces that were seen a moment ago, in pixels of the frame.
            at_s: time of the frame.
        """
        moved = self._moved(grey, at_s)
        due_s = WHOLE_S if faces else WHOLE_EMPTY_S
        if moved is None or at_s - self._whole_s >= due_s:
            return self._whole(at_s)
        parts = [_with_room(box) for box in faces]
        if moved.any():
            parts.append(_around(moved, size))
        if not parts:
            return NOTHING
        region = self._square(_union(parts, size), size)
        if region is None or _area(region) > _MOST_OF_PICTURE * size[0] * size[1]:
            return self._whole(at_s)
        return Attention(region)

    def _square(self, part: Region, size: tuple[int, int]) -> Region | None:
        """The smallest square with the part in its middle, moved into the picture; None if there is
        none."""
        x1, y1, x2, y2 = part
        longest = max(x2 - x1, y2 - y1)
        side = next((side for side in self._sides if side >= longest), None)
        if side is None:
            return None
        left = round(min(max(0, (x1 + x2 - side) / 2), max(0, size[0] - side)))
        top = round(min(max(0, (y1 + y2 - side) / 2), max(0, size[1] - side)))
        return left, top, min(left + side, size[0]), min(top + side, size[1])

    def start_anew(self) -> None:
        """Look at the whole of the next frame, because the last one could not be looked at."""
        self._whole_s = -np.inf

    def _whole(self, at_s: float) -> Attention:
        self._whole_s = at_s
        return WHOLE

    def _moved(self, grey: Grey, at_s: float) -> NDArray[np.uint8] | None:
        """Which cells changed, 0 or 1; None if there is nothing to compare with."""
        since_s, self._last_s = at_s - self._last_s, at_s
        background = self._background
        if background is None or background.shape != grey.shape or since_s > _LONG_S:
            self._background = grey.astype(np.float32)
            return None
        changed = cv2.absdiff(grey, cv2.convertScaleAbs(background)) > _CHANGED
        cv2.accumulateWeighted(grey, background, 1 - np.exp(-since_s / _FOLLOWS_S))
        # One cell alone is noise.
        opened = cv2.morphologyEx(changed.astype(np.uint8), cv2.MORPH_OPEN, _TWO_BY_TWO)
        return np.asarray(opened, np.uint8)


def small_grey(picture: NDArray[np.uint8]) -> Grey:
    """The small copy of an RGB picture (h, w, 3) or of its brightness (h, w)."""
    height, width = picture.shape[:2]
    scale = SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return small if small.ndim == 2 else cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)  # type: ignore[return-value]


def _with_room(box: Float32) -> Region:
    x1, y1, x2, y2 = map(float, box)
    room = _FACE_ROOM * max(x2 - x1, y2 - y1)
    return x1 - room, y1 - room, x2 + room, y2 + room


def _around(moved: NDArray[np.uint8], size: tuple[int, int]) -> Region:
    """What moved, in pixels of the frame."""
    left, top, width, height = cv2.boundingRect(moved)
    x, y = size[0] / moved.shape[1], size[1] / moved.shape[0]
    room = _MOVED_ROOM * max(size)
    return left * x - room, top * y - room, (left + width) * x + room, (top + height) * y + room


def _union(parts: Sequence[Region], size: tuple[int, int]) -> Region:
    """The smallest part of the frame that holds all parts."""
    corners = np.array(parts)
    x1, y1 = np.maximum(corners[:, :2].min(axis=0), 0)
    x2, y2 = np.minimum(corners[:, 2:].max(axis=0), size)
    return float(x1), float(y1), float(x2), float(y2)


def _area(region: Region) -> float:
    x1, y1, x2, y2 = region
    return max(0.0, x2 - x1) * max(0.0, y2 - y1)
