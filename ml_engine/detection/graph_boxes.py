"""Boxes as tensors, for detectors that run whole on a GPU; `ml_engine.geometry` has the same for
lists of any length. Boxes are (n, places, 4) x1, y1, x2, y2; scores (n, places), best first, 0
for an empty place."""

from __future__ import annotations

from typing import Any

Tensor = Any


def best(scores: Tensor, places: int, boxes: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
    """The best `places`, best first: boxes, scores, and what else belongs to them."""
    import tensorflow as tf

    kept, rows = tf.math.top_k(scores, min(places, scores.shape[1]))
    moved = [tf.gather(values, rows, batch_dims=1) for values in (boxes, *others)]
    return (moved[0], kept, *moved[1:])


def suppressed(
    boxes: Tensor, scores: Tensor, max_overlap: float, is_rival: Tensor | None = None
) -> Tensor:
    """Greedy non-maximum suppression among places, best first: scores, 0 for a suppressed one.

    Repeats "keep the places that no kept one suppresses" until nothing changes. Each turn settles
    at least one more place from the top, so it ends at the greedy answer; a few turns do in
    practice.

    Args:
        is_rival: (n, places, places) whether one place may suppress another; None: always.
    """
    import tensorflow as tf

    suppresses = iou(boxes) > max_overlap
    if is_rival is not None:
        suppresses &= is_rival
    is_alive = scores > 0
    # The better one comes first.
    place = tf.range(tf.shape(boxes)[1])
    suppresses &= (place[:, None] < place) & is_alive[:, :, None]

    def turn(stays: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
        now = is_alive & ~tf.reduce_any(suppresses & stays[:, :, None], axis=1)
        return now, tf.reduce_any(now != stays)

    stays, _ = tf.while_loop(lambda _, changed: changed, turn, (is_alive, tf.reduce_any(is_alive)))
    return tf.where(stays, scores, 0.0)


def iou(boxes: Tensor) -> Tensor:
    """Of every box with every other of its picture: (n, places, places)."""
    import tensorflow as tf

    def shared_along(axis: int) -> Tensor:
        low, high = boxes[..., axis], boxes[..., axis + 2]
        first, last = (
            tf.maximum(low[:, :, None], low[:, None]),
            tf.minimum(high[:, :, None], high[:, None]),
        )
        return tf.maximum(last - first, 0.0)

    shared = shared_along(0) * shared_along(1)
    areas = tf.reduce_prod(tf.maximum(boxes[..., 2:] - boxes[..., :2], 0.0), axis=-1)
    return tf.math.divide_no_nan(shared, areas[:, :, None] + areas[:, None, :] - shared)


def squared(boxes: Tensor) -> Tensor:
    """The smallest squares with the same centres that hold the boxes."""
    import tensorflow as tf

    centres = (boxes[..., :2] + boxes[..., 2:]) / 2
    half = tf.reduce_max(boxes[..., 2:] - boxes[..., :2], axis=-1, keepdims=True) / 2
    return tf.concat([centres - half, centres + half], axis=-1)


def moved(boxes: Tensor, offsets: Tensor) -> Tensor:
    """Boxes with each edge moved by its offset, in units of the box's own sides."""
    import tensorflow as tf

    sides = boxes[..., 2:] - boxes[..., :2]
    return boxes + offsets * tf.concat([sides, sides], axis=-1)
