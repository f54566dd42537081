"""Pictures as tensors, for detectors that run whole on a GPU: smaller copies, and crops of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ml_engine.detection.pyramid import ENOUGH
from ml_engine.types import Float32

Tensor = Any


class Sources:
    """Pictures (n, h, w, 3), float32 of 0..255, and ever smaller copies, each made from the one
    before it. sizes: width and height of each, the pictures' own first. `copies`: tensors."""

    def __init__(self, pictures: Tensor, sizes: Sequence[tuple[int, int]]) -> None:
        import tensorflow as tf

        self._sizes = list(sizes)
        self._scales: Float32 = (np.array(self._sizes) / self._sizes[0]).astype(np.float32)
        self.copies = [pictures]
        for size in self._sizes[1:]:
            self.copies.append(_shrunk(self.copies[-1], *size))
        count = tf.shape(pictures)[0]
        self._flat = tf.concat([tf.reshape(c, (count, -1, 3)) for c in self.copies], axis=1)

    def crops(self, squares: Tensor, size: int) -> Tensor:
        """Squares of the canvas to (n, places, size, size, 3), bilinear, black outside; each from
        the smallest source in which it is still at least `size` wide."""
        import tensorflow as tf

        areas = [width * height for width, height in self._sizes]
        starts = np.concatenate([[0], np.cumsum(areas)[:-1]]).astype(np.int32)
        sides = squares[..., 2] - squares[..., 0]
        is_enough = sides[..., None] * self._scales.min(axis=1) >= size * ENOUGH
        source = tf.maximum(tf.reduce_sum(tf.cast(is_enough, tf.int32), axis=-1) - 1, 0)
        scale = tf.gather(self._scales, source)  # (n, places, 2)
        extent = tf.gather(np.array(self._sizes, np.int32), source)
        steps = (np.arange(size, dtype=np.float32) + 0.5) / size
        at = [
            (squares[..., axis, None] + sides[..., None] * steps) * scale[..., axis, None] - 0.5
            for axis in (0, 1)
        ]  # x and y, (n, places, size)
        start = tf.gather(starts, source)[..., None, None]
        total = 0.0
        for y, y_weight in _neighbours(at[1]):
            for x, x_weight in _neighbours(at[0]):
                is_inside = (
                    _within(y, extent[..., 1])[..., :, None]
                    & _within(x, extent[..., 0])[..., None, :]
                )
                index = start + y[..., :, None] * extent[..., 0, None, None] + x[..., None, :]
                values = tf.gather(self._flat, tf.where(is_inside, index, 0), batch_dims=1)
                weights = y_weight[..., :, None] * x_weight[..., None, :]
                total += values * tf.where(is_inside, weights, 0.0)[..., None]
        return tf.round(total)


def _shrunk(picture: Tensor, width: int, height: int) -> Tensor:
    """Every pixel the mean of the area that it covers: OpenCV's INTER_AREA. As two products of
    matrices, since TensorFlow has that for CPUs only."""
    import tensorflow as tf

    rows, columns = _area_weights(picture.shape[1], height), _area_weights(picture.shape[2], width)
    shrunk = tf.einsum("nhwc,yh->nywc", picture, rows)
    return tf.round(tf.einsum("nywc,xw->nyxc", shrunk, columns))


def _area_weights(length: int, wanted: int) -> Float32:
    """(wanted, length): what each pixel of a line counts in each pixel of a shorter one."""
    edges = np.arange(wanted + 1) * (length / wanted)
    pixels = np.arange(length)
    low = np.maximum(edges[:-1, None], pixels)
    high = np.minimum(edges[1:, None], pixels + 1)
    return (np.maximum(high - low, 0) * (wanted / length)).astype(np.float32)


def _neighbours(at: Tensor) -> list[tuple[Tensor, Tensor]]:
    """The two pixels around each place, and what each counts."""
    import tensorflow as tf

    low = tf.floor(at)
    part = at - low
    low = tf.cast(low, tf.int32)
    return [(low, 1 - part), (low + 1, part)]


def _within(at: Tensor, length: Tensor) -> Tensor:
    return (at >= 0) & (at < length[..., None])
