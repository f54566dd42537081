"""What every face detector offers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ml_engine.types import Face, Image


class Detector(Protocol):
    """Finds faces and their five landmarks. Not thread-safe: it has one owner."""

    name: str

    def detect(
        self,
        images: Sequence[Image],
        *,
        min_face_px: int | None = None,
        score_threshold: float | None = None,
        max_faces: int | None = None,
    ) -> list[list[Face]]:
        """Faces of each image, largest first, with box, landmarks and score only.

        Args:
            images: RGB uint8, of any sizes; one call is one batch.
            min_face_px: smallest face looked for, as the side of its box. The time goes with its
                inverse square.
            score_threshold: surest of 0..1 that a face must reach; None is the detector's own.
            max_faces: of each image, the largest; None is all.
        """
