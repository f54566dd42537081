"""Looks at a face: single measurements that an identity combines."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ml_engine.matching import Decision
from ml_engine.tracking import LEAST_QUALITY
from ml_engine.types import Float32, Image

# One look alone, of at least this quality, makes an event if its score is this far above the
# threshold: strangers reach that a hundred times less often than the threshold.
_STRONG_BY = 0.1
_STRONG_QUALITY = 0.5
_APPEARANCE_SIDE = 12


@dataclass(frozen=True, slots=True)
class Look:
    embedding: Float32  # (d,)
    quality: float

    @property
    def is_usable(self) -> bool:
        """True if it can give a name."""
        return self.quality >= LEAST_QUALITY

    def is_strong(self, alone: Decision) -> bool:
        """True if it alone names a person far above the threshold. alone: the decision for it."""
        is_clear = alone.kind == "match" and self.quality >= _STRONG_QUALITY
        return is_clear and alone.excess >= _STRONG_BY


@dataclass(frozen=True, slots=True)
class SameFace:
    """Similarities of two looks. Below `unlikely_below` they are hardly of one face (None:
    unknown); from `likely_from` on they count as one."""

    unlikely_below: float | None
    likely_from: float


def appearance_of(image: Image, box: Float32) -> Float32:
    """RGB (h, w, 3) and a box to (144,): the brightness of the face, with mean 0 and length 1.

    Coarse and cheap: enough to see that a track suddenly shows another face. It decides when to
    look again, and never who it is.
    """
    height, width = image.shape[:2]
    left, top = np.clip(box[:2], 0, (width - 1, height - 1)).astype(int)
    right, bottom = np.clip(box[2:], (left + 1, top + 1), (width, height)).astype(int)
    size = (_APPEARANCE_SIDE, _APPEARANCE_SIDE)
    small = cv2.resize(image[top:bottom, left:right], size, interpolation=cv2.INTER_AREA)
    grey = small.astype(np.float32).mean(axis=2).ravel()
    grey -= grey.mean()
    return grey / max(float(np.linalg.norm(grey)), 1e-3)
