"""YuNet through OpenCV: quick on a CPU.

Network: Wu, Peng, Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence
Research 20, 2023; weights of OpenCV's model zoo, MIT.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ml_engine.geometry import clipped
from ml_engine.request import EVERY_FACE, Wanted
from ml_engine.runtime.device import ResolvedDevice
from ml_engine.runtime.pauses import pause
from ml_engine.types import Face, Float32, Image, WeightsUnavailable
from ml_engine.zoo import ARTEFACTS, ensure, preset

SCORE_THRESHOLD = 0.7
_OVERLAP = 0.3
_MOST_FACES = 5000
# A picture is shrunk until the smallest face wanted is this large: at 40 pixels that costs 0.03 of
# the AP on the easy faces of WIDER and saves two thirds of the time.
_SMALLEST_PX = 20


class _Networks(threading.local):
    """The network of each thread: it keeps the size and the threshold of a call."""

    def __init__(self, model: Path) -> None:
        import cv2

        self.mine: Any = cv2.FaceDetectorYN.create(
            str(model), "", (320, 320), SCORE_THRESHOLD, _OVERLAP, _MOST_FACES
        )


class YunetDetector:
    """See `ml_engine.detection.base.Detector`. Pictures of a batch are looked at one by one."""

    name = "yunet"

    def __init__(self, model: Path, *, min_face_px: int = 40) -> None:
        self._networks = _Networks(model)
        self._min_face_px = min_face_px

    def detect(self, images: Sequence[Image], wanted: Wanted = EVERY_FACE) -> list[list[Face]]:
        smallest = wanted.min_face_px or self._min_face_px
        threshold = SCORE_THRESHOLD if wanted.score_threshold is None else wanted.score_threshold
        return [self._faces(image, smallest, threshold)[: wanted.max_faces] for image in images]

    def _faces(self, image: Image, smallest_px: int, threshold: float) -> list[Face]:
        import cv2

        pause()  # others may use the network meanwhile
        network = self._networks.mine
        network.setScoreThreshold(threshold)
        height, width = image.shape[:2]
        scale = min(1.0, _SMALLEST_PX / smallest_px)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1 else image
        network.setInputSize(size)
        _, found = network.detect(cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
        if found is None:
            return []
        back = np.array([width / size[0], height / size[1]], np.float32)
        # x, y, width, height, then five points in our order, then the score.
        corners = found[:, :4].astype(np.float32)
        corners[:, 2:] += corners[:, :2]
        boxes = clipped(corners * np.tile(back, 2), width, height)
        landmarks: Float32 = found[:, 4:14].reshape(-1, 5, 2).astype(np.float32) * back
        faces = [
            Face(box, points, float(row[14]))
            for box, points, row in zip(boxes, landmarks, found, strict=True)
        ]
        large = [face for face in faces if face.size_px >= smallest_px]
        return sorted(large, key=lambda face: face.size_px, reverse=True)


def load_yunet(
    weights_dir: Path, device: ResolvedDevice, *, min_face_px: int = 40
) -> YunetDetector:
    """WeightsUnavailable if the file is missing or is another one."""
    name = preset("yunet").artefact
    ((member, sha256),) = ARTEFACTS[name].members.items()
    path = ensure(name, weights_dir)[member]
    if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        raise WeightsUnavailable(
            f"{path.name} is not the file that was pinned (SHA-256 {sha256}): remove it and run "
            f"`python -m ml_engine fetch {name}`.",
            detail=path,
        )
    return YunetDetector(path, min_face_px=min_face_px)
