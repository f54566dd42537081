"""Faces in the parts of a picture that are watched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ml_engine import Face
from ml_engine.types import Float32
from recognition.cameras.areas import AreasPayload

_NEAR = np.ones((5, 5), np.uint8)


@dataclass(frozen=True, slots=True)
class Areas:
    """watch, ignore: polygons (n, 2), x and y from 0 to 1 of the picture."""

    watch: tuple[Float32, ...] = ()
    ignore: tuple[Float32, ...] = ()

    @classmethod
    def of(cls, payload: AreasPayload) -> Areas:
        watch, ignore = (
            tuple(np.asarray(points, np.float32) for points in payload[kind])
            for kind in ("watch", "ignore")
        )
        return cls(watch, ignore)

    def keep(self, faces: list[Face], size: tuple[int, int]) -> list[Face]:
        """The faces whose centre is in a watched polygon (anywhere, if there is none) and in no
        ignored one. size: width and height of the picture."""
        if not self.watch and not self.ignore:
            return faces
        return [face for face in faces if self._counts(_centre(face, *size))]

    def cells(self, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """(h, w) of a small copy of the picture: True where faces count, and near there."""
        cells = np.zeros(shape, np.uint8) if self.watch else np.ones(shape, np.uint8)
        for polygons, value in ((self.watch, 1), (self.ignore, 0)):
            for polygon in polygons:
                corners = np.rint(polygon * [shape[1] - 1, shape[0] - 1]).astype(np.int32)
                cv2.fillPoly(cells, [corners], value)
        return cv2.dilate(cells, _NEAR) > 0

    def _counts(self, point: tuple[float, float]) -> bool:
        is_watched = not self.watch or _is_in(self.watch, point)
        return is_watched and not _is_in(self.ignore, point)


EVERYWHERE = Areas()


def _centre(face: Face, width: int, height: int) -> tuple[float, float]:
    x1, y1, x2, y2 = face.box
    # A face at the edge may have its centre outside of the picture.
    x, y = (x1 + x2) / 2 / width, (y1 + y2) / 2 / height
    return float(np.clip(x, 0, 1)), float(np.clip(y, 0, 1))


def _is_in(polygons: Sequence[Float32], point: tuple[float, float]) -> bool:
    """True on an edge, too."""
    return any(cv2.pointPolygonTest(polygon, point, measureDist=False) >= 0 for polygon in polygons)
