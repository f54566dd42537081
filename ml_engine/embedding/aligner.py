"""Crops for embedders. Cutting needs no network, so it can run in the process of the picture."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ml_engine.align import Alignment, align_faces, cut_boxes, template_of
from ml_engine.embedding.base import Crop
from ml_engine.quality import CROP_PX
from ml_engine.types import Float32, Image
from ml_engine.zoo import EmbedderCard


class Aligner(Protocol):
    """Thread-safe."""

    def crops(self, image: Image, landmarks: Float32, boxes: Float32) -> list[Crop]:
        """Landmarks (n, 5, 2) and boxes (n, 4) of one image to n crops."""

    def standard_crops(self, crops: list[Crop]) -> list[NDArray[np.uint8]] | None:
        """The crops that quality is measured on, if these crops contain them."""


class CropAligner:
    """For one network. A crop is an array (size, size, 3) uint8."""

    def __init__(self, alignment: Alignment, size: int) -> None:
        self._template = template_of(alignment, size)
        self._size = size
        self._is_standard = alignment == "arcface" and size == CROP_PX

    def crops(self, image: Image, landmarks: Float32, boxes: Float32) -> list[NDArray[np.uint8]]:
        return list(align_faces(image, landmarks, self._template, self._size))

    def standard_crops(self, crops: list[NDArray[np.uint8]]) -> list[NDArray[np.uint8]] | None:
        return crops if self._is_standard else None


class BoxAligner:
    """For a network that was trained on boxes with a margin."""

    def __init__(self, margin: float, size: int) -> None:
        self._margin = margin
        self._size = size

    def crops(self, image: Image, landmarks: Float32, boxes: Float32) -> list[NDArray[np.uint8]]:
        return list(cut_boxes(image, boxes, self._margin, self._size))

    def standard_crops(self, crops: list[NDArray[np.uint8]]) -> None:
        return None


class JointAligner:
    """For a fusion. A crop is a tuple of the parts' crops."""

    def __init__(self, parts: list[Aligner]) -> None:
        self._parts = parts

    def crops(self, image: Image, landmarks: Float32, boxes: Float32) -> list[tuple[Crop, ...]]:
        each = [part.crops(image, landmarks, boxes) for part in self._parts]
        return list(zip(*each, strict=True))

    def standard_crops(self, crops: list[tuple[Crop, ...]]) -> list[NDArray[np.uint8]] | None:
        for number, part in enumerate(self._parts):
            own: list[Any] = [crop[number] for crop in crops]
            if (found := part.standard_crops(own)) is not None:
                return found
        return None


def aligner_of(card: EmbedderCard) -> Aligner:
    if card.parts:
        return JointAligner([aligner_of(part) for part, _ in card.parts])
    if card.alignment == "box":
        return BoxAligner(card.margin, card.size)
    return CropAligner(card.alignment, card.size)
