"""YuNet finds faces, and MTCNN's O-Net moves their boxes and places their landmarks.

YuNet looks at a picture once, where P-Net searches a pyramid of a dozen copies, and its boxes need
no R-Net. O-Net's landmarks align faces better than YuNet's. Each of the two is sure of things that
are no faces, and hardly ever of the same ones, so a score is the mean of both. See
docs/benchmarks.md for MTCNN and YuNet alone beside this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ml_engine.detection import mtcnn, yunet
from ml_engine.detection.base import FoundFaces
from ml_engine.detection.onet import look
from ml_engine.detection.thresholds import Thresholds
from ml_engine.detection.yunet import Copies, Yunet
from ml_engine.geometry import clipped, nms
from ml_engine.request import EVERY_FACE, Wanted
from ml_engine.runtime.device import ResolvedDevice
from ml_engine.runtime.network import Network
from ml_engine.types import Face, Image

# YuNet's score from which O-Net is asked. Its own threshold is 0.7.
_PROPOSAL = 0.4
# 19 of 20 photos of LFW reach this score of YuNet, and 0.99 of O-Net. Relative to it, a clear face
# has the score that the limits of `ml_engine.quality` were fitted to.
_CLEAR = 0.9
# Faces much smaller than the smallest one wanted are not worth their O-Net.
_SMALLER = 0.7


class YunetOnetDetector:
    """See `ml_engine.detection.base.Detector`.

    Args:
        onet: takes pixels 0..255; see `ml_engine.networks.mtcnn.build_onet`.
    """

    name = "yunet_onet"

    def __init__(self, yunet: Yunet, onet: Network, *, min_face_px: int = 40) -> None:
        self._yunet = yunet
        self._onet = onet
        self._thresholds = Thresholds()
        self._min_face_px = min_face_px

    def detect(self, images: Sequence[Image], wanted: Wanted = EVERY_FACE) -> list[list[Face]]:
        if not images:
            return []
        smallest = wanted.min_face_px or self._min_face_px
        threshold = wanted.score_threshold
        least = self._thresholds.score if threshold is None else threshold
        pictures = [self._yunet.copies(image, smallest) for image in images]
        found = self._yunet.find(pictures, _PROPOSAL)
        proposals = [_large(each, _SMALLER * smallest) for each in found]
        looks = look(self._onet, pictures, [each.boxes for each in proposals], with_mirrored=True)
        return [
            self._faces(*each, least)[: wanted.max_faces]
            for each in zip(pictures, proposals, looks, strict=True)
        ]

    def _faces(
        self, picture: Copies, proposals: FoundFaces, seen: FoundFaces, least: float
    ) -> list[Face]:
        """Largest first."""
        height, width = picture.sources[0].shape[:2]
        scores = (seen.scores + np.minimum(1, proposals.scores / _CLEAR)) / 2
        seen = replace(seen, scores=scores).at(np.flatnonzero(scores >= least))
        seen = seen.at(nms(seen.boxes, seen.scores, self._thresholds.overlap_of_faces))
        boxes = clipped(seen.boxes, width, height)
        faces = [
            Face(box, points, float(score))
            for box, points, score in zip(boxes, seen.landmarks, seen.scores, strict=True)
        ]
        return sorted(faces, key=lambda face: face.size_px, reverse=True)


def _large(found: FoundFaces, least_px: float) -> FoundFaces:
    sides = (found.boxes[:, 2:] - found.boxes[:, :2]).min(axis=1, initial=np.inf)
    return found.at(np.flatnonzero(sides >= least_px))


def load_yunet_onet(
    weights_dir: Path, device: ResolvedDevice, *, min_face_px: int = 40
) -> YunetOnetDetector:
    """WeightsUnavailable if a file is missing or is another one."""
    return YunetOnetDetector(
        Yunet(yunet.load_network(weights_dir, device)),
        mtcnn.load_network("onet", weights_dir, device),
        min_face_px=min_face_px,
    )
