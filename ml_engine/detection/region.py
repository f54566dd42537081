"""Looking for faces in a part of a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ml_engine.request import Region
from ml_engine.types import Face, Float32, Image


def is_inside(image: Image, region: Region) -> bool:
    """Whether any pixel of the region is in the picture."""
    x1, y1, x2, y2 = _pixels(image, region)
    return x1 < x2 and y1 < y2


def cut_out(image: Image, region: Region) -> tuple[Image, Float32]:
    """The part, and its upper left corner (2,). ValueError if none of it is in the picture."""
    if not is_inside(image, region):
        height, width = image.shape[:2]
        raise ValueError(f"Nothing of the region {region} is in a picture of {width}x{height}.")
    x1, y1, x2, y2 = _pixels(image, region)
    return np.ascontiguousarray(image[y1:y2, x1:x2]), np.array([x1, y1], np.float32)


def _pixels(image: Image, region: Region) -> tuple[int, int, int, int]:
    height, width = image.shape[:2]
    x1, y1, x2, y2 = map(round, region)
    return max(0, x1), max(0, y1), min(width, x2), min(height, y2)


def put_back(faces: Sequence[Face], corner: Float32) -> list[Face]:
    """Faces of a part as faces of the whole picture."""
    if not corner.any():
        return list(faces)
    return [
        replace(face, box=face.box + np.tile(corner, 2), landmarks=face.landmarks + corner)
        for face in faces
    ]
