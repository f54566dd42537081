"""Videos of people in front of a camera, made from photographs that are moved and zoomed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from ml_engine.images import decode_image, encode_jpeg
from ml_engine.types import Image

WIDTH, HEIGHT = 640, 480
FPS = 30  # as Chromium plays an MJPEG file
PHOTO_S = 3.0
Photo = bytes


def write_webcam(path: Path, *scenes: Photo | Sequence[Photo]) -> Path:
    """An MJPEG file that Chromium plays in a loop as a webcam. A scene is a photo, or several that
    are shown side by side."""
    with path.open("wb") as file:
        for frame in _frames(scenes):
            file.write(encode_jpeg(frame, 85))
    return path


def write_video(path: Path, *scenes: Photo | Sequence[Photo]) -> Path:
    """The same as a video file, for a camera of the server."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (WIDTH, HEIGHT))
    assert writer.isOpened()
    for frame in _frames(scenes):
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    writer.release()
    return path


def side_by_side(*photos: Photo, height: int = HEIGHT, width: int = WIDTH) -> Image:
    """One picture (height, width, 3) of the upper parts of photos, where the faces are."""
    share = width // len(photos)
    return np.hstack([_upper_part(decode_image(photo), share, height) for photo in photos])


def _frames(scenes: Sequence[Photo | Sequence[Photo]]) -> Iterator[Image]:
    count = round(PHOTO_S * FPS)
    for scene in scenes:
        photos = [scene] if isinstance(scene, bytes) else list(scene)
        still = side_by_side(*photos, width=WIDTH * 2, height=HEIGHT * 2)
        for number in range(count):
            yield _moved(still, number / count)


def _moved(still: Image, progress: float) -> Image:
    """There and back again, a little nearer on the way, so that a loop has no seam."""
    swing = np.sin(np.pi * progress)
    scale = 0.5 * (1 + 0.12 * swing)
    x = (WIDTH - scale * still.shape[1]) / 2 + 18 * np.sin(2 * np.pi * progress)
    matrix = np.array([[scale, 0, x], [0, scale, -20 * swing]])
    frame = cv2.warpAffine(
        still, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(frame, dtype=np.uint8)


def _upper_part(photo: Image, width: int, height: int) -> Image:
    rows = min(photo.shape[0], round(photo.shape[1] * height / width))
    columns = min(photo.shape[1], round(rows * width / height))
    left = (photo.shape[1] - columns) // 2
    part = photo[:rows, left : left + columns]
    return np.asarray(cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
