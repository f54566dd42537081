"""Average precision against cases that can be counted by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ml_engine.evaluation.detection import (
    Detections,
    WiderPhoto,
    average_precision,
    false_alarms,
    load_wider,
    precision_curve,
    recall,
)


def _box(x: float) -> list[float]:
    return [x, 0, x + 10, 10]


def _photo(faces: list[float], counted: list[int]) -> WiderPhoto:
    boxes = np.array([_box(x) for x in faces], np.float32).reshape(-1, 4)
    return WiderPhoto(Path("photo.jpg"), boxes, {"easy": np.array(counted, np.intp)})


def _found(*found: tuple[float, float]) -> Detections:
    return Detections(
        np.array([_box(x) for x, _ in found], np.float32).reshape(-1, 4),
        np.array([score for _, score in found], np.float32),
    )


def test_perfect_detections_have_average_precision_one() -> None:
    photos = [_photo([0, 50], [0, 1]), _photo([0], [0])]
    detections = [_found((0, 0.9), (50, 0.8)), _found((1, 0.7))]
    assert average_precision(photos, detections, "easy") == 1
    assert recall(photos, detections, "easy", 0.75) == pytest.approx(2 / 3)


def test_a_false_alarm_costs_only_what_comes_after_it() -> None:
    photos = [_photo([0, 50], [0, 1])]
    detections = [_found((0, 0.9), (200, 0.8), (50, 0.7))]
    assert average_precision(photos, detections, "easy") == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert false_alarms(photos, detections, 0.75) == 1
    assert false_alarms(photos, detections, 0.85) == 0


def test_a_face_found_twice_is_one_hit_and_one_false_alarm() -> None:
    photos = [_photo([0, 50], [0, 1])]
    detections = [_found((0, 0.9), (1, 0.8), (50, 0.7))]
    assert average_precision(photos, detections, "easy") == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_faces_of_another_level_are_neither_hits_nor_false_alarms() -> None:
    photos = [_photo([0, 50], [1])]
    detections = [_found((0, 0.9), (50, 0.8))]
    assert average_precision(photos, detections, "easy") == 1
    assert false_alarms(photos, detections, 0) == 0


def test_a_missed_face_is_never_reached() -> None:
    photos = [_photo([0, 50, 90, 130], [0, 1, 2, 3])]
    assert average_precision(photos, [_found((0, 0.9))], "easy") == 0.25
    assert average_precision(photos, [_found()], "easy") == 0


def test_too_little_overlap_is_a_false_alarm() -> None:
    assert average_precision([_photo([0], [0])], [_found((6, 0.9))], "easy") == 0


def test_the_curve_falls_and_ends_at_the_last_recall() -> None:
    photos = [_photo([0, 50], [0, 1])]
    curve = precision_curve(photos, [_found((0, 0.9), (200, 0.8), (50, 0.7))], "easy")
    assert curve.recall == [0.5, 0.5, 1.0]
    assert curve.precision == pytest.approx([1, 2 / 3, 2 / 3], abs=1e-4)


def test_load_wider_reads_the_ground_truth(tmp_path: Path) -> None:
    truth = {"b.jpg": {"boxes": [[1, 2, 10, 20]], "easy": [0], "medium": [0], "hard": []}}
    (tmp_path / "ground_truth.json").write_text(json.dumps(truth))
    (photo,) = load_wider(tmp_path)
    assert photo.boxes.tolist() == [[1, 2, 11, 22]]
    assert photo.counted["easy"].tolist() == [0]
    assert photo.counted["hard"].tolist() == []
