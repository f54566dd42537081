"""Pictures on their way in: decoded within the site's limits, faces found in them and cut out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from django.conf import settings

from ml_engine import Face
from ml_engine.images import ImageLimits, decode_image, encode_jpeg
from ml_engine.types import Float32, Image
from recognition.engine import get_engine

# Around the box on each side, in sides of the box: enough to find the face again, and to cut it
# for another model.
_MARGIN = 0.6
# A stored face needs no more than this.
_LARGEST_SIDE_PX = 640
_JPEG_QUALITY = 92
# A face counts beside the largest one if it is sure and at least so large in comparison: people
# in the background of a portrait do not.
_SURE = 0.8
_BESIDE = 0.5


def decode(data: bytes) -> Image:
    """Bytes to RGB; ImageError where they are refused, most of it before decoding."""
    limits = ImageLimits(
        max_bytes=settings.MAX_IMAGE_MB * 2**20,
        max_pixels=settings.MAX_IMAGE_MEGAPIXELS * 1_000_000,
    )
    return decode_image(data, limits)


def faces_in(image: Image, **options: Any) -> list[Face]:
    """The faces of one picture, with the options of `FaceEngine.analyze`."""
    return get_engine().analyze([image], **options)[0]


def subjects(faces: Sequence[Face]) -> list[Face]:
    """The faces, largest first, that a picture is of: sure ones of like size. Where none is sure,
    the largest."""
    sure = [face for face in faces if face.score >= _SURE] or list(faces[:1])
    by_size = sorted(sure, key=lambda face: -face.size_px)
    return [face for face in by_size if face.size_px >= _BESIDE * by_size[0].size_px]


def cut_face(image: Image, box: Float32) -> bytes:
    """The face with a generous margin, as a JPEG."""
    import cv2

    height, width = image.shape[:2]
    x1, y1, x2, y2 = (float(value) for value in box)
    margin = _MARGIN * max(x2 - x1, y2 - y1)
    left, top = max(0, int(x1 - margin)), max(0, int(y1 - margin))
    right, bottom = min(width, int(x2 + margin) + 1), min(height, int(y2 + margin) + 1)
    part = np.ascontiguousarray(image[top:bottom, left:right])
    scale = _LARGEST_SIDE_PX / max(part.shape[:2])
    if scale < 1:
        size = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
        part = cv2.resize(part, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    return encode_jpeg(part, _JPEG_QUALITY)


def whole(image: Image) -> bytes:
    """The whole picture as a JPEG: without the camera's notes on place and time in it."""
    return encode_jpeg(image, 95)
