"""How much a face looks like a print or a screen: a passive presentation-attack score.

Network: a tree of convolutions that sends a face down to one of eight leaves, each of which has
learnt one kind of attack (Liu, Stehouwer, Jourabloo, Liu, "Deep Tree Learning for Zero-shot Face
Anti-Spoofing", CVPR 2019). The published file is run as it is. Its score is the strength of the
leaf that the face ends in, from 0 to about 1; its author takes more than 0.2 for an attack.

Nothing is claimed about attacks: none were measured. What was measured is how often real pictures
are taken for one at 0.2, and that is mostly: LFW 90 % of 600 photos, WIDER FACE 60 % of 35 faces of
260 pixels and more, two videos 90 % of 401 and all of 305 faces; of posed portraits with faces of
260 pixels and more, none of 7. It may say something of sharp, large faces from a camera on which
its threshold was set, and says nothing of others. It is off unless a call asks for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml_engine.types import Float32, Image
from ml_engine.zoo import ensure, preset

PRESET = "antispoof_tree"


class AttackScorer:
    """Not thread-safe but for `crops`: it has one owner."""

    def __init__(self, weights: Path, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter: Any = Interpreter(str(weights), num_threads=threads)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        # By name: the strengths of the leaves, and which of them the face ends in.
        by_name = {d["name"]: d["index"] for d in self._interpreter.get_output_details()}
        self._outputs = by_name["Identity"], by_name["Identity_1"]

    @staticmethod
    def crops(image: Image, boxes: Float32) -> list[NDArray[np.uint8]]:
        """Boxes (n, 4) of one image to n crops (256, 256, 3), not turned upright: the squares
        around the boxes, as far as the picture goes. Thread-safe."""
        size = preset(PRESET).size
        return [_square_crop(image, box, size) for box in boxes]

    def scores(self, crops: Sequence[NDArray[np.uint8]]) -> Float32:
        """Crops (256, 256, 3) to (n,)."""
        return np.array([self._score(crop) for crop in crops], np.float32)

    def _score(self, crop: NDArray[np.uint8]) -> float:
        pixels = crop[None].astype(np.float32) / 255
        self._interpreter.set_tensor(self._input, pixels)
        self._interpreter.invoke()
        strengths, is_reached = (self._interpreter.get_tensor(index) for index in self._outputs)
        return float(np.abs(strengths).ravel() @ is_reached.ravel())


def _square_crop(image: Image, box: Float32, size: int) -> NDArray[np.uint8]:
    import cv2

    height, width = image.shape[:2]
    side = min(float(max(box[2] - box[0], box[3] - box[1])), height, width)
    # Moved inside rather than cut, so that nothing is stretched.
    x = min(max(float(box[0] + box[2]) / 2 - side / 2, 0), width - side)
    y = min(max(float(box[1] + box[3]) / 2 - side / 2, 0), height - side)
    pixels = max(1, round(side))
    part = image[int(y) : int(y) + pixels, int(x) : int(x) + pixels]
    how = cv2.INTER_AREA if pixels > size else cv2.INTER_LINEAR
    return cv2.resize(part, (size, size), interpolation=how).astype(np.uint8)


def load_attack_scorer(weights_dir: Path, threads: int) -> AttackScorer:
    """WeightsUnavailable where its weights were not fetched."""
    return AttackScorer(
        ensure(preset(PRESET).artefact, weights_dir)["FaceAntiSpoofing.tflite"], threads
    )
