"""Frames as JPEGs of limited size."""

from __future__ import annotations

import cv2
import numpy as np

from ml_engine.images import encode_jpeg
from ml_engine.types import Image


def shrunk_jpeg(image: Image, side_px: int, *, quality: int) -> bytes:
    """RGB uint8 (h, w, 3) as a JPEG whose longer side is `side_px` at most."""
    height, width = image.shape[:2]
    scale = side_px / max(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return encode_jpeg(image, quality)
