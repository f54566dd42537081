"""The contract of every face detector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ml_engine.request import EVERY_FACE, Wanted
from ml_engine.types import Face, Image


class Detector(Protocol):
    """Finds faces and their five landmarks. `ResolvedDevice.detection_lanes` threads may call it at
    a time."""

    name: str

    def detect(self, images: Sequence[Image], wanted: Wanted = EVERY_FACE) -> list[list[Face]]:
        """Faces of each image, largest first, with box, landmarks and score only.

        Args:
            images: RGB uint8, of any sizes; one call is one batch.
            wanted: its minimum, score and number are obeyed. Region and maximum are the caller's
                part: see `Wanted.for_detector`.
        """
