"""Whether the eyes and the mouth of a face can be seen, by two linear classifiers of small patches.

Fitted by `python -m benchmarks.laboratory covers` on aligned photos of LFW, half of them under
drawn covers of any colour and texture; the weights hold no face. On people who were not in the fit,
91 % of covered eyes and 62 % of covered mouths are told from 99 % of the faces in full view.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from ml_engine.types import Float32

_FILE = Path(__file__).with_name("covers.json")
# Patches of the aligned grey crop (112, 112), and the width and height that each is shrunk to.
PARTS = {
    "eyes": ((slice(40, 66), slice(22, 90)), (17, 7)),
    "mouth": ((slice(66, 108), slice(28, 84)), (14, 10)),
}
# Scores of the classifiers at which a part is as likely covered as not, among faces as they come.
_DOUBTFUL = {"eyes": -1.0, "mouth": -1.5}
_STEEPNESS = 1.5
_BACKGROUND_PX = 6.0
_LEAST_CONTRAST = 4.0


@dataclass(frozen=True, slots=True)
class _Classifier:
    weights: Float32
    bias: float


def covered(grey: Float32) -> float:
    """Grey crop (112, 112) to 0 for a face in full view, 1 if its eyes or its mouth are covered."""
    return max(_covered_part(grey, part) for part in PARTS)


def patch(grey: Float32, part: str) -> Float32:
    """Grey crop (112, 112) to the features (n,) of a part: without light and contrast."""
    import cv2

    where, size = PARTS[part]
    small = cv2.resize(grey[where], size, interpolation=cv2.INTER_AREA).astype(np.float32)
    fine = small - cv2.GaussianBlur(small, (0, 0), _BACKGROUND_PX)
    return np.asarray(fine / max(float(fine.std()), _LEAST_CONTRAST), np.float32).ravel()


def _covered_part(grey: Float32, part: str) -> float:
    found = _classifiers()[part]
    score = float(found.weights @ patch(grey, part)) + found.bias
    return float(1 / (1 + np.exp(_STEEPNESS * (score - _DOUBTFUL[part]))))


@cache
def _classifiers() -> dict[str, _Classifier]:
    stored = json.loads(_FILE.read_text())
    return {
        part: _Classifier(np.array(stored[part]["weights"], np.float32), stored[part]["bias"])
        for part in PARTS
    }
