"""Where to look for faces in a frame of a stream.

Finding faces costs most of what a frame costs, and most frames show nothing new: an empty room, or
people whose faces are where they were. So a small grey copy of each frame is compared with the
frames of the last moments. If nothing moved and nobody is in view, no faces are looked for. If
something did, or somebody is, the part of the frame around that is searched, where it is much
smaller than the frame. People who are followed move, and their movement is no reason to search more
than the part around their faces. The whole frame is searched once in a while all the same, so that
a face that the comparison misses, or that is near somebody, is found a little later.
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
from recognition.live.areas import EVERYWHERE, Areas

Grey: TypeAlias = NDArray[np.uint8]  # (h, w)

# Time between two searches of the whole frame: with somebody in view, and with nobody.
WHOLE_S = 1.0
WHOLE_EMPTY_S = 2.0
# It is longer if frames are lost, but at most by this.
_MOST_STRETCH = 2.0
# The longer side of the small copy. Its pixels are called cells below.
_SIDE = 160
# A cell changed if its brightness (0 to 255) differs by more than this. Noise of a sensor (sigma 3
# for each pixel) leaves 0.4 in the mean of a cell of a 1280x720 frame, compression up to 5.
_CHANGED = 7
# How fast the picture that frames are compared with follows them. If it is slower, somebody who
# walks leaves a longer trail; if it is faster, what moves slowly is not noticed.
_FOLLOWS_S = 0.4
# While nobody is in view, a part in which something moved is searched for so much longer: a face
# is often found only once it stands still.
_STAYS_S = 2.0
# Sides of the square parts, in smallest faces. There are few, because the engine prepares itself
# for each size.
_SIDES = (8, 12, 16, 24)
# If a part is larger than this share of the frame, the whole frame is searched for small faces.
_MOST = 0.5
# Room on each side of a face, in its size, and of what moved, in the longer side of the frame.
_FACE_ROOM = 0.75
_MOVED_ROOM = 0.05
# What moves around and below a face is its own body: so many widths of the face on each side of its
# middle, and one of its heights above it.
_BODY_SIDE, _BODY_ABOVE = 2.0, 1.0
# Around followed faces alone, the smallest face that is searched for is this part of the square's
# side, and so the pyramid of the detector is as small for large faces as for small ones ...
_ALONE = 1 / _SIDES[0]
# ... if no followed face is smaller than that by this.
_SMALLER = 2.0
# After a longer pause there is nothing to compare with.
_LONG_S = 3.0
_TWO_BY_TWO = np.ones((2, 2), np.uint8)


@dataclass(frozen=True, slots=True)
class Attention:
    """region: the part to search; None is the whole frame. min_face_px: the smallest face to search
    for; None is that of the stream. is_needed: False if there is nothing to search for."""

    region: Region | None = None
    min_face_px: int | None = None
    is_needed: bool = True


WHOLE = Attention()
NOTHING = Attention(is_needed=False)


class Watch:
    """The attention of one stream. Not thread-safe.

    min_face_px: size of the smallest face that is looked for.
    """

    def __init__(self, min_face_px: int) -> None:
        self._sides = [side * min_face_px for side in _SIDES]
        self._background: Float32 = np.zeros((0, 0), np.float32)
        self._changed_s = np.zeros((0, 0))  # time of each cell's last change
        self._last: Grey = np.zeros((0, 0), np.uint8)
        # Cells that differ from the last frame: other changed cells show what somebody has left.
        self._moves_now: NDArray[np.bool_] = np.zeros((0, 0), bool)
        self._before: Sequence[Float32] = ()  # the faces in the last frame
        self._last_s = -np.inf
        self._whole_s = -np.inf  # time of the last search of the whole frame

    def attend(
        self,
        grey: Grey,
        size: tuple[int, int],
        faces: Sequence[Float32],
        at_s: float,
        areas: Areas = EVERYWHERE,
        *,
        missed: Sequence[Float32] = (),
        stretch: float = 1.0,
    ) -> Attention:
        """Where to search in a frame.

        Args:
            grey: the small copy, of `small_size`.
            size: width and height of the frame.
            faces: boxes (4,) of the faces that were seen in the last frame, in pixels of this one.
            at_s: time of the frame.
            areas: what moves outside of them only is not searched.
            missed: boxes of faces that were seen shortly before the last frame.
            stretch: how many times longer than usual the time between frames is, because some were
                lost. As many of those that are left are searched whole as of all frames otherwise.
        """
        is_comparable = self._compare(grey, at_s, areas)
        before, self._before = self._before, list(faces)
        due_s = (WHOLE_S if faces or missed else WHOLE_EMPTY_S) * min(stretch, _MOST_STRETCH)
        if not is_comparable or at_s - self._whole_s >= due_s:
            return self._whole(at_s)
        moved = self._changed_s >= at_s - (0.0 if faces or missed else _STAYS_S)
        if faces and not missed:
            moved = _opened(moved & self._moves_now)
            _clear_bodies(moved, [*faces, *before], size)
        has_moved = bool(moved.any())
        parts = [_around_face(box) for box in (*faces, *missed)]
        if has_moved:
            parts.append(_around_cells(moved, size))
        if not parts:
            return NOTHING
        region = self._square(_union(parts, size), size)
        smallest = None if region is None or has_moved or missed else _smallest(region, faces)
        if region is None or (smallest is None and _is_most(region, size)):
            return self._whole(at_s)
        return Attention(region, smallest)

    def start_anew(self) -> None:
        """Search the whole of the next frame, because the last one could not be searched."""
        self._whole_s = -np.inf

    def _whole(self, at_s: float) -> Attention:
        self._whole_s = at_s
        return WHOLE

    def _compare(self, grey: Grey, at_s: float, areas: Areas) -> bool:
        """Note which cells changed. False if there is nothing to compare with."""
        since_s, self._last_s = at_s - self._last_s, at_s
        background, last, self._last = self._background, self._last, grey
        if background.shape != grey.shape or since_s > _LONG_S:
            self._background = grey.astype(np.float32)
            self._changed_s = np.full(grey.shape, -np.inf)
            return False
        moved = _opened(cv2.absdiff(grey, cv2.convertScaleAbs(background)) > _CHANGED)
        self._moves_now = cv2.absdiff(grey, last) > _CHANGED
        if moved[areas.cells(grey.shape)].any():
            self._changed_s[moved] = at_s
        cv2.accumulateWeighted(grey, background, 1 - np.exp(-since_s / _FOLLOWS_S))
        return True

    def _square(self, part: Region, size: tuple[int, int]) -> Region | None:
        """The smallest square around the part, moved into the frame; None if none is as large."""
        x1, y1, x2, y2 = part
        longest = max(x2 - x1, y2 - y1)
        side = next((side for side in self._sides if side >= longest), None)
        if side is None:
            return None
        left = round(min(max(0, (x1 + x2 - side) / 2), max(0, size[0] - side)))
        top = round(min(max(0, (y1 + y2 - side) / 2), max(0, size[1] - side)))
        return left, top, min(left + side, size[0]), min(top + side, size[1])


def small_size(size: tuple[int, int]) -> tuple[int, int]:
    """Width and height of the small copy of a frame."""
    scale = _SIDE / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _opened(cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Without single cells, which are noise."""
    return cv2.morphologyEx(cells.astype(np.uint8), cv2.MORPH_OPEN, _TWO_BY_TWO) > 0


def _is_most(region: Region, size: tuple[int, int]) -> bool:
    x1, y1, x2, y2 = region
    return (x2 - x1) * (y2 - y1) > _MOST * size[0] * size[1]


def _smallest(region: Region, faces: Sequence[Float32]) -> int | None:
    """The smallest face to search for in a square around these faces; None is that of the
    stream."""
    side = max(region[2] - region[0], region[3] - region[1])
    smallest = round(side * _ALONE)
    return smallest if smallest * _SMALLER <= min(map(_size_px, faces)) else None


def _size_px(box: Float32) -> float:
    return float(min(box[2:] - box[:2]))


def _clear_bodies(
    moved: NDArray[np.bool_], faces: Sequence[Float32], size: tuple[int, int]
) -> None:
    """Take out the cells in which the people move whose faces these are."""
    rows, columns = moved.shape
    for x1, y1, x2, y2 in faces:
        middle, half = (x1 + x2) / 2, _BODY_SIDE * (x2 - x1)
        left, right = (round(float(x) / size[0] * columns) for x in (middle - half, middle + half))
        top = round(float(y1 - _BODY_ABOVE * (y2 - y1)) / size[1] * rows)
        moved[max(0, top) :, max(0, left) : max(0, right)] = False


def _around_face(box: Float32) -> Region:
    x1, y1, x2, y2 = map(float, box)
    room = _FACE_ROOM * max(x2 - x1, y2 - y1)
    return x1 - room, y1 - room, x2 + room, y2 + room


def _around_cells(moved: NDArray[np.bool_], size: tuple[int, int]) -> Region:
    """In pixels of the frame."""
    left, top, width, height = cv2.boundingRect(moved.astype(np.uint8))
    x, y = size[0] / moved.shape[1], size[1] / moved.shape[0]
    room = _MOVED_ROOM * max(size)
    return left * x - room, top * y - room, (left + width) * x + room, (top + height) * y + room


def _union(parts: Sequence[Region], size: tuple[int, int]) -> Region:
    """The smallest part of the frame that holds all parts."""
    corners = np.array(parts)
    x1, y1 = np.maximum(corners[:, :2].min(axis=0), 0)
    x2, y2 = np.minimum(corners[:, 2:].max(axis=0), size)
    return float(x1), float(y1), float(x2), float(y2)
