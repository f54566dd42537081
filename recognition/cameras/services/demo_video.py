"""A video in which people of photographs walk past a camera, for who has no camera at hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from ml_engine.types import Image
from recognition.web.errors import ServiceError

WIDTH, HEIGHT = 960, 540
FPS = 12
WALK_S = 6.0
# Longer than a visit outlasts its face, so that each walk is a visit of its own.
EMPTY_S = 5.0
# Width of a person in the frame: from there to here while they come nearer.
FAR_PX, NEAR_PX = 360, 460


def write_demo_video(path: Path, photos: Sequence[Image]) -> None:
    """One walk for each photo, in order, with an empty scene after it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}")
    # The container follows from the suffix, which `beside` keeps.
    writer = cv2.VideoWriter(str(beside), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (WIDTH, HEIGHT))
    if not writer.isOpened():
        raise ServiceError("no_video_encoder", "OpenCV cannot write MPEG-4 here.", status=500)
    try:
        for frame in _frames(photos):
            writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    finally:
        writer.release()
    beside.replace(path)


def _frames(photos: Sequence[Image]) -> Iterator[Image]:
    scene = _scene()
    for photo in photos:
        count = round(WALK_S * FPS)
        for number in range(count):
            yield _with_person(scene, photo, number / (count - 1))
        for _ in range(round(EMPTY_S * FPS)):
            yield scene


def _scene() -> Image:
    """A wall, darker towards the floor. (HEIGHT, WIDTH, 3)"""
    column = np.linspace(205, 150, HEIGHT, dtype=np.uint8)
    return np.ascontiguousarray(np.broadcast_to(column[:, None, None], (HEIGHT, WIDTH, 3)))


def _with_person(scene: Image, photo: Image, progress: float) -> Image:
    """The photo on its way from the left edge to the right one and nearer. progress: 0 to 1."""
    width = FAR_PX + (NEAR_PX - FAR_PX) * progress
    # The upper part of the photo, where the head is; moved by parts of a pixel.
    scale = width / photo.shape[1]
    x = progress * (WIDTH - width)
    # A little from side to side, as somebody who walks.
    x += 8 * np.sin(progress * 12)
    matrix = np.array([[scale, 0, x], [0, scale, 0]], dtype=np.float64)
    small = _shrunk(photo, scale)
    matrix[:, :2] *= photo.shape[1] / small.shape[1]
    frame = cv2.warpAffine(
        small,
        matrix,
        (WIDTH, HEIGHT),
        dst=scene.copy(),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_TRANSPARENT,
    )
    return np.asarray(frame, dtype=np.uint8)


def _shrunk(photo: Image, scale: float) -> Image:
    """Twice as large as needed at most: a warp that skips pixels would flicker."""
    if scale >= 0.5:
        return photo
    factor = 2 * NEAR_PX / photo.shape[1]
    smaller = cv2.resize(photo, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return np.asarray(smaller, dtype=np.uint8)
