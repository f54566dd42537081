"""Boxes: what the vectorised code gives against the plain definition."""

from __future__ import annotations

import numpy as np
import pytest

from ml_engine.geometry import (
    MOST_BOXES,
    areas,
    clipped,
    iou,
    moved_by_offsets,
    nms,
    nms_by_group,
    squared,
)
from ml_engine.types import Float32


def _boxes(count: int, seed: int, spread: float = 100) -> tuple[Float32, Float32]:
    random = np.random.default_rng(seed)
    corners = random.uniform(0, spread, (count, 2))
    sides = random.uniform(5, 60, (count, 2))
    boxes = np.concatenate([corners, corners + sides], axis=1).astype(np.float32)
    return boxes, ((random.permutation(count) + 1) / max(count, 1)).astype(np.float32)


def _overlap(a: Float32, b: Float32) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    mine, theirs = ((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return float(shared / (mine + theirs - shared))


def _naive_nms(boxes: Float32, scores: Float32, limit: float) -> list[int]:
    kept: list[int] = []
    for row in np.argsort(-scores, kind="stable"):
        if all(_overlap(boxes[row], boxes[other]) <= limit for other in kept):
            kept.append(int(row))
    return kept


@pytest.mark.parametrize("count", [0, 1, 40, pytest.param(700, marks=pytest.mark.simulation)])
def test_nms_keeps_what_the_plain_algorithm_keeps(count: int) -> None:
    boxes, scores = _boxes(count, seed=count, spread=20 * count**0.5 + 1)
    for limit in (0.2, 0.5, 0.7):
        assert nms(boxes, scores, limit).tolist() == _naive_nms(boxes, scores, limit)


def test_nms_of_a_chain_keeps_every_second_box() -> None:
    """Each box suppresses only the next one: every second stays, however long the chain."""
    left = np.arange(600, dtype=np.float32) * 4
    boxes = np.stack([left, 0 * left, left + 10, 0 * left + 10], axis=1)
    scores = np.linspace(1, 0.1, 600, dtype=np.float32)
    assert nms(boxes, scores, 0.4).tolist() == list(range(0, 600, 2))


def test_nms_by_group_leaves_other_groups_alone() -> None:
    boxes, scores = _boxes(90, seed=5)
    groups = np.random.default_rng(5).integers(0, 3, 90)
    wanted = []
    for group in range(3):
        rows = np.flatnonzero(groups == group)
        wanted += rows[nms(boxes[rows], scores[rows], 0.3)].tolist()
    assert nms_by_group(boxes, scores, groups, 0.3).tolist() == wanted


def test_iou_of_boxes_is_intersection_over_union() -> None:
    boxes = np.array([[0, 0, 10, 10], [20, 20, 30, 30]], np.float32)
    others = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [2, 2, 4, 4], [10, 0, 20, 10]], np.float32)
    np.testing.assert_allclose(iou(boxes, others)[0], [1, 1 / 3, 0.04, 0], atol=1e-6)
    np.testing.assert_allclose(iou(boxes, others)[1], 0)


def test_areas_of_inverted_boxes_are_nothing() -> None:
    boxes = np.array([[0, 0, 4, 5], [4, 5, 0, 0], [3, 3, 3, 9]], np.float32)
    assert areas(boxes).tolist() == [20, 0, 0]


def test_squared_holds_the_box_around_the_same_centre() -> None:
    boxes = np.array([[0, 0, 10, 4], [5, 5, 6, 9]], np.float32)
    assert squared(boxes).tolist() == [[0, -3, 10, 7], [3.5, 5, 7.5, 9]]


def test_clipped_boxes_stay_inside_the_picture() -> None:
    boxes = np.array([[-5, -6, 700, 500], [10, 20, 30, 40]], np.float32)
    assert clipped(boxes, 640, 480).tolist() == [[0, 0, 640, 480], [10, 20, 30, 40]]


def test_offsets_move_boxes_by_parts_of_their_size() -> None:
    boxes = np.array([[10, 20, 30, 60]], np.float32)
    offsets = np.array([[0.1, -0.1, 0.5, 0.25]], np.float32)
    np.testing.assert_allclose(moved_by_offsets(boxes, offsets), [[12, 16, 40, 70]])


def test_many_boxes_cost_no_more_than_the_best_of_them() -> None:
    boxes = np.array([[0, 0, 1, 1]], np.float32) + np.arange(MOST_BOXES + 500)[:, None] * 2
    scores = np.linspace(0.1, 1, len(boxes), dtype=np.float32)
    kept = nms(boxes.astype(np.float32), scores, 0.5)
    assert len(kept) == MOST_BOXES
    assert kept.min() == 500
