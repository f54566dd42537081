"""The contract of every face detector, and what their networks find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from ml_engine.request import EVERY_FACE, Wanted
from ml_engine.types import Face, Float32, Image


@dataclass(frozen=True, slots=True)
class FoundFaces:
    """What a network found in one picture, in pixels: (n, 4), (n,), (n, 5, 2)."""

    boxes: Float32
    scores: Float32
    landmarks: Float32

    def at(self, rows: NDArray[Any]) -> FoundFaces:
        return FoundFaces(self.boxes[rows], self.scores[rows], self.landmarks[rows])


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
