"""Faces and their landmarks in pictures."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import cast

from ml_engine.detection.base import Detector
from ml_engine.runtime.device import ResolvedDevice
from ml_engine.zoo import preset

__all__ = ["Detector", "load_detector"]

# A literal table: a detector is one row, one file and its preset.
_DETECTORS = {
    "mtcnn": "ml_engine.detection.mtcnn:load_mtcnn",
    "yunet": "ml_engine.detection.yunet:load_yunet",
    "yunet_onet": "ml_engine.detection.yunet_onet:load_yunet_onet",
}


def load_detector(
    name: str, weights_dir: Path, device: ResolvedDevice, *, min_face_px: int = 40
) -> Detector:
    """The detector of a preset.

    Raises:
        KeyError: there is no such detector.
        WeightsUnavailable: its weights are missing.
    """
    module, function = _DETECTORS[preset(name, "detector").name].split(":")
    load = cast("Callable[..., Detector]", getattr(import_module(module), function))
    return load(weights_dir, device, min_face_px=min_face_px)
