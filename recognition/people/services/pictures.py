"""Incoming pictures: decoding within the site's limits, and cutting out faces."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from django.conf import settings

from ml_engine import Face
from ml_engine.detection.turns import turn_image
from ml_engine.images import ImageLimits, decode_image, encode_jpeg, pixels_of
from ml_engine.request import Ask, Priority, Timings
from ml_engine.runtime.allocator import give_back
from ml_engine.runtime.threads import cpu_threads
from ml_engine.types import EngineBusy, Image
from recognition.web.metrics import stage_timed
from recognition.web.process import Part, process

# Margin around the box on each side, in sides of the box: enough to detect the face again, and to
# crop it for another model.
_MARGIN = 0.6
# The longest side of a stored face: more is never needed.
_LARGEST_SIDE_PX = 640
_JPEG_QUALITY = 92
# A second face counts if it is certain and at least this large, compared with the largest one:
# people in the background of a portrait do not count.
_SURE = 0.8
_BESIDE = 0.5
# Boxes of one face that were found by two calls overlap by more than this.
_SAME_BOX = 0.4
# Every request decodes in a thread of its own, before it comes to the engine's queue. This many
# pictures of the largest size may be in memory at once; others wait for at most this time.
_LARGEST_AT_ONCE = 4
_WAIT_S = 2.0
# Of larger ones the heap keeps what each thread's decoder and pyramid used: 80 MB of 49 megapixels.
_LARGE_PIXELS = 4_000_000


def limits_in_force() -> ImageLimits:
    """The limits of the site's settings."""
    most = settings.MAX_IMAGE_MEGAPIXELS * 1_000_000
    return ImageLimits(max_bytes=settings.MAX_IMAGE_MB * 2**20, max_pixels=most)


@contextmanager
def decoded(data: bytes, *, shrink: int = 1) -> Iterator[Image]:
    """Decode bytes to RGB; ImageError if they are refused, mostly before decoding. shrink: see
    `decode_image`.

    Within `with`, the picture counts for the memory that all pictures of the process share;
    EngineBusy if none becomes free in time. So hold one picture at a time.
    """
    limits = limits_in_force()
    # As if it were decoded whole: only JPEGs are shrunk.
    pixels = pixels_of(data, limits)
    try:
        budget = process().part(PixelBudget)
        with budget.hold(pixels, most=_LARGEST_AT_ONCE * limits.max_pixels):
            with budget.turn(pixels), stage_timed("decode"):
                image = decode_image(data, limits, shrink=shrink)
            yield image
    finally:
        if pixels >= _LARGE_PIXELS:
            give_back()


class PixelBudget(Part):
    """Counts the decoded pixels that all threads of the process hold, and leaves a core to frames
    of streams while large pictures are decoded."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._held = 0
        self._turns = threading.BoundedSemaphore(max(1, cpu_threads() - 1))

    @contextmanager
    def hold(self, pixels: int, *, most: int) -> Iterator[None]:
        with self._changed:
            if not self._changed.wait_for(lambda: self._held + pixels <= most, _WAIT_S):
                raise EngineBusy("Too many large pictures are looked at just now.")
            self._held += pixels
        try:
            yield
        finally:
            with self._changed:
                self._held -= pixels
                self._changed.notify_all()

    @contextmanager
    def turn(self, pixels: int) -> Iterator[None]:
        """Decode a picture of so many pixels within `with`: large ones at most on all cores but
        one. EngineBusy if there is no turn within the deadline of the engine."""
        if pixels < _LARGE_PIXELS:
            yield
            return
        if not self._turns.acquire(timeout=settings.ENGINE_DEADLINE_S):
            raise EngineBusy("Too many large pictures are decoded just now.")
        try:
            yield
        finally:
            self._turns.release()


def ask_of(
    caller: str, *, priority: Priority = "interactive", timings: Timings | None = None
) -> Ask:
    """How a picture of this caller queues at the engine, with the site's deadline."""
    return Ask(priority, caller, settings.ENGINE_DEADLINE_S, timings)


def subjects(faces: Sequence[Face]) -> list[Face]:
    """The main faces of a picture, largest first: certain ones of similar size, or only the largest
    if none is certain."""
    sure = [face for face in faces if face.score >= _SURE] or list(faces[:1])
    by_size = sorted(sure, key=lambda face: -face.size_px)
    return [face for face in by_size if face.size_px >= _BESIDE * by_size[0].size_px]


@dataclass(frozen=True, slots=True)
class FaceCut:
    """A face cut out of a picture: an encoded JPEG, upright, and where it lay. A point of the
    picture lies at `(point - (left, top)) * scale` in the cut before that was turned clockwise by
    `turn` degrees."""

    jpeg: bytes
    left: int
    top: int
    scale: float
    turn: int = 0


def cut_face(image: Image, face: Face) -> FaceCut:
    """The face with a generous margin, as a JPEG."""
    import cv2

    height, width = image.shape[:2]
    x1, y1, x2, y2 = (float(value) for value in face.box)
    margin = _MARGIN * max(x2 - x1, y2 - y1)
    left, top = max(0, int(x1 - margin)), max(0, int(y1 - margin))
    right, bottom = min(width, int(x2 + margin) + 1), min(height, int(y2 + margin) + 1)
    part = np.ascontiguousarray(image[top:bottom, left:right])
    scale = min(1.0, _LARGEST_SIDE_PX / max(part.shape[:2]))
    if scale < 1:
        size = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
        part = cv2.resize(part, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    jpeg = encode_jpeg(turn_image(part, face.turn), _JPEG_QUALITY)
    return FaceCut(jpeg, left, top, scale, face.turn)


def whole(image: Image) -> bytes:
    """The whole picture as a JPEG, without metadata such as place and time."""
    return encode_jpeg(image, 95)
