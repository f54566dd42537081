"""Average precision of a detector on WIDER FACE, by the data set's own protocol.

Yang, Luo, Loy, Tang, "WIDER FACE: A Face Detection Benchmark", 2016 (arXiv:1511.06523). Each level
(easy, medium, hard) names the faces that count; the others are ignored, whether they are found or
not. A detection is right at an IoU of at least 0.5 with a face that no
better one took. The average precision is the area under the curve made monotone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ml_engine.detection.base import Detector
from ml_engine.geometry import iou
from ml_engine.images import decode_image
from ml_engine.request import Wanted
from ml_engine.types import EngineError, Float32

LEVELS = ("easy", "medium", "hard")
MIN_IOU = 0.5
_DRAWN = 200


@dataclass(frozen=True, slots=True)
class WiderPhoto:
    """boxes: (n, 4) x1, y1, x2, y2 of all faces; counted: level to the rows that count there."""

    path: Path
    boxes: Float32
    counted: dict[str, NDArray[np.intp]]


@dataclass(frozen=True, slots=True)
class Detections:
    """What a detector found in one photo, best first: (n, 4) and (n,)."""

    boxes: Float32
    scores: Float32


@dataclass(frozen=True, slots=True)
class PrecisionCurve:
    """Precision at each recall, made monotone."""

    recall: list[float]
    precision: list[float]


@dataclass(frozen=True, slots=True)
class WiderReport:
    """ap: by level. false_per_photo: detections at `operating_score` and above that meet no face
    at all, for each photo. photo_ms: mean time of a photo without its decoding."""

    detector: str
    photos: int
    min_face_px: int
    score_threshold: float
    ap: dict[str, float]
    operating_score: float
    false_per_photo: float
    found: dict[str, float]
    photo_ms: float
    curves: dict[str, PrecisionCurve] = field(repr=False)

    def as_dict(self) -> dict[str, object]:
        return asdict(self)

    def as_text(self) -> str:
        levels = "  ".join(f"{level} {self.ap[level]:.3f}" for level in LEVELS)
        found = "  ".join(f"{level} {self.found[level]:.3f}" for level in LEVELS)
        return (
            f"{self.detector} on {self.photos} photos of WIDER FACE, smallest face "
            f"{self.min_face_px} px\n"
            f"average precision (scores from {self.score_threshold:g})  {levels}\n"
            f"at score {self.operating_score:g}: found  {found}; "
            f"{self.false_per_photo:.2f} false alarms a photo\n"
            f"{self.photo_ms:.0f} ms a photo"
        )


def load_wider(folder: Path) -> list[WiderPhoto]:
    """Photos beside `ground_truth.json`: name to boxes [x, y, width, height] and rows by level.

    Raises:
        FileNotFoundError: there is no such file.
        EngineError: it holds something else.
    """
    path = folder / "ground_truth.json"
    if not path.exists():
        raise FileNotFoundError(f"There is no {path}.")
    try:
        truth = json.loads(path.read_text())
        return [_photo(folder / name, entry) for name, entry in sorted(truth.items())]
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise EngineError(f"{path} is not what it should be: {error!r}") from error


def _photo(path: Path, entry: dict[str, list[list[float]]]) -> WiderPhoto:
    boxes = np.array(entry["boxes"], np.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    counted = {level: np.array(entry[level], np.intp) for level in LEVELS}
    return WiderPhoto(path, boxes, counted)


def evaluate_wider(
    detector: Detector,
    photos: Iterable[WiderPhoto],
    *,
    min_face_px: int = 20,
    score_threshold: float = 0.3,
    operating_score: float = 0.9,
) -> WiderReport:
    """Run the detector on the photos, one a call. `photos` may be wrapped in a progress bar.

    Args:
        score_threshold: low, so that the curve reaches far.
        operating_score: the score from which found faces and false alarms are counted.
    """
    wanted = Wanted(min_face_px=min_face_px, score_threshold=score_threshold)
    seen, detections, elapsed_s = [], [], 0.0
    for photo in photos:
        image = decode_image(photo.path.read_bytes())
        started = time.perf_counter()
        faces = detector.detect([image], wanted)
        elapsed_s += time.perf_counter() - started
        found = [(face.box, face.score) for face in faces[0]]
        detections.append(ordered_detections(found))
        seen.append(photo)
    return WiderReport(
        detector=detector.name,
        photos=len(seen),
        min_face_px=min_face_px,
        score_threshold=score_threshold,
        ap={level: average_precision(seen, detections, level) for level in LEVELS},
        operating_score=operating_score,
        false_per_photo=false_alarms(seen, detections, operating_score) / max(len(seen), 1),
        found={level: recall(seen, detections, level, operating_score) for level in LEVELS},
        photo_ms=1000 * elapsed_s / max(len(seen), 1),
        curves={level: precision_curve(seen, detections, level) for level in LEVELS},
    )


def ordered_detections(found: Sequence[tuple[Float32, float]]) -> Detections:
    """Boxes (4,) with their scores, best first."""
    boxes = np.array([box for box, _ in found], np.float32).reshape(-1, 4)
    scores = np.array([score for _, score in found], np.float32)
    order = np.argsort(-scores, kind="stable")
    return Detections(boxes[order], scores[order])


def average_precision(
    photos: Sequence[WiderPhoto], detections: Sequence[Detections], level: str
) -> float:
    """Area under precision over recall of one level, 0..1; NaN if it has no faces."""
    reached, precision = _curve(photos, detections, level)
    return float(np.sum(np.diff(reached, prepend=0.0) * precision))


def precision_curve(
    photos: Sequence[WiderPhoto], detections: Sequence[Detections], level: str
) -> PrecisionCurve:
    """For drawing: at most `_DRAWN` points."""
    reached, precision = _curve(photos, detections, level)
    rows = np.unique(np.linspace(0, len(reached), _DRAWN, endpoint=False).astype(np.intp))
    rows = rows[rows < len(reached)]
    return PrecisionCurve(reached[rows].round(5).tolist(), precision[rows].round(5).tolist())


def _curve(
    photos: Sequence[WiderPhoto], detections: Sequence[Detections], level: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Recall and the best precision at that recall or beyond, by falling score."""
    scores, is_hit, is_judged = _judged(photos, detections, level)
    faces = sum(len(photo.counted[level]) for photo in photos)
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(is_hit[order])
    precision = hits / np.maximum(np.cumsum(is_judged[order]), 1)
    reached = hits / faces if faces else np.full(len(hits), np.nan)
    return reached, np.maximum.accumulate(precision[::-1])[::-1]


def recall(
    photos: Sequence[WiderPhoto], detections: Sequence[Detections], level: str, score: float
) -> float:
    """Share of the level's faces found by detections of at least this score."""
    scores, is_hit, _ = _judged(photos, detections, level)
    faces = sum(len(photo.counted[level]) for photo in photos)
    return float(is_hit[scores >= score].sum() / max(faces, 1))


def false_alarms(
    photos: Sequence[WiderPhoto], detections: Sequence[Detections], score: float
) -> int:
    """Detections of at least this score that meet no annotated face of any level."""
    count = 0
    for photo, found in zip(photos, detections, strict=True):
        boxes = found.boxes[found.scores >= score]
        if len(photo.boxes):
            count += int((iou(boxes, photo.boxes).max(axis=1) < MIN_IOU).sum())
        else:
            count += len(boxes)
    return count


def _judged(
    photos: Sequence[WiderPhoto], detections: Sequence[Detections], level: str
) -> tuple[Float32, NDArray[np.bool_], NDArray[np.bool_]]:
    """Of all detections of all photos: score, hits a new face that counts, counts at all."""
    parts = [
        (found.scores, *_match(photo, found.boxes, level))
        for photo, found in zip(photos, detections, strict=True)
    ]
    if not parts:
        return np.empty(0, np.float32), np.empty(0, bool), np.empty(0, bool)
    scores, hits, judged = zip(*parts, strict=True)
    return np.concatenate(scores), np.concatenate(hits), np.concatenate(judged)


def _match(
    photo: WiderPhoto, boxes: Float32, level: str
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """For each detection, best first: hits a new face that counts, and counts at all."""
    is_hit = np.zeros(len(boxes), bool)
    is_judged = np.ones(len(boxes), bool)
    if not len(boxes) or not len(photo.boxes):
        return is_hit, is_judged
    overlaps = iou(boxes, photo.boxes)
    nearest = overlaps.argmax(axis=1)
    is_near = overlaps.max(axis=1) >= MIN_IOU
    counts = np.isin(nearest, photo.counted[level])
    is_judged = ~(is_near & ~counts)
    taking = np.flatnonzero(is_near & counts)
    _, first = np.unique(nearest[taking], return_index=True)
    is_hit[taking[first]] = True
    return is_hit, is_judged
