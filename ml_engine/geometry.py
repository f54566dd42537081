"""Boxes, vectorised: areas, overlap, suppression, squares. All boxes are (n, 4) x1, y1, x2, y2."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ml_engine.types import Float32

Indices = NDArray[np.intp]


def areas(boxes: Float32) -> Float32:
    """(n, 4) to (n,); an empty or inverted box has area 0."""
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return sides[:, 0] * sides[:, 1]


def iou(boxes: Float32, others: Float32) -> Float32:
    """Intersection over union of every box with every other: (n, 4) and (m, 4) to (n, m), 0..1."""
    x1 = np.maximum(boxes[:, None, 0], others[None, :, 0])
    y1 = np.maximum(boxes[:, None, 1], others[None, :, 1])
    x2 = np.minimum(boxes[:, None, 2], others[None, :, 2])
    y2 = np.minimum(boxes[:, None, 3], others[None, :, 3])
    shared = np.maximum(x2 - x1, 0) * np.maximum(y2 - y1, 0)
    whole = areas(boxes)[:, None] + areas(others)[None, :] - shared
    return shared / np.maximum(whole, np.finfo(np.float32).tiny)


# Comparing all boxes takes time with the square of their number: a picture of noise has 400,000.
MOST_BOXES = 10_000


def nms(boxes: Float32, scores: Float32, max_overlap: float) -> Indices:
    """Greedy non-maximum suppression: indices of the boxes that stay, best score first.

    A box goes when a better one that stays overlaps it by more than `max_overlap`, and when its
    score is not over 0. Only the best `MOST_BOXES` are looked at. By OpenCV: with whole matrices in
    NumPy it took two to five times as long.
    """
    corner_and_sides = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    kept = cv2.dnn.NMSBoxes(corner_and_sides, scores, 0.0, max_overlap, top_k=MOST_BOXES)  # type: ignore[arg-type]
    return np.asarray(kept, np.intp).ravel()


def nms_by_group(
    boxes: Float32, scores: Float32, groups: NDArray[np.integer], max_overlap: float
) -> Indices:
    """`nms` among the boxes of each group: indices ordered by group, then best score first."""
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order])) + 1
    members = np.split(order, starts) if len(order) else []
    kept = [m[nms(boxes[m], scores[m], max_overlap)] for m in members]
    return np.concatenate(kept) if kept else order


def squared(boxes: Float32) -> Float32:
    """The smallest squares with the same centres that hold the boxes."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True) / 2
    return np.concatenate([centres - half, centres + half], axis=1).astype(np.float32)


def clipped(boxes: Float32, width: int, height: int) -> Float32:
    """The parts of the boxes that lie inside a picture."""
    limits = np.array([width, height, width, height], np.float32)
    return np.clip(boxes, 0, limits).astype(np.float32)


def moved_by_offsets(boxes: Float32, offsets: Float32) -> Float32:
    """Boxes with each edge moved by its offset, which is in units of the box's own sides."""
    sides = boxes[:, 2:] - boxes[:, :2]
    return (boxes + offsets * np.concatenate([sides, sides], axis=1)).astype(np.float32)
