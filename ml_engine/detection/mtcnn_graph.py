"""MTCNN for GPUs: pictures go up, faces come down, and nothing travels between.

The same cascade as `ml_engine.detection.mtcnn`, whose notes hold here too, as one TensorFlow
function: pyramid, the three networks, suppression, and the cutting out of windows. What a CPU does
with lists of any length is done here with a fixed number of places for each picture, the best
first; places that hold nothing are marked. So a picture may have `FACES` faces at most.

Pictures are laid on canvases whose sides are multiples of `GRID_PX`, so that few shapes are traced.

What it finds is compared with the other one's, by tests on a CPU and by `benchmarks.gpu` on a GPU.
It is not compiled with XLA: that takes 9 to 15 seconds for each size of picture.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import cycle
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml_engine.detection.graph_boxes import best, iou, moved, squared, suppressed
from ml_engine.detection.graph_sampling import Sources
from ml_engine.detection.pyramid import level_sizes, source_sizes
from ml_engine.detection.thresholds import Thresholds
from ml_engine.networks import mtcnn as networks
from ml_engine.request import EVERY_FACE, Wanted
from ml_engine.runtime.pauses import pause
from ml_engine.types import Face, Float32, Image

GRID_PX = 160
BATCHES = (1, 2, 4, 8)
# Most pixels of a batch: activations and pyramid take about 100 bytes for each.
_MAX_BATCH_PX = 1 << 25
# Places of a picture: cells of P-Net, windows for R-Net, windows for O-Net, faces.
CELLS, WINDOWS, LOOKS, FACES = 2048, 512, 256, 128
# Traced functions kept: one for each canvas and smallest face.
_MAX_TRACED = 16

Tensor = Any
# Pictures (n, h, w, 3) uint8, their widths and heights (n, 2), the wanted score and the least of a
# first look, to boxes (n, FACES, 4), landmarks (n, FACES, 5, 2) and scores (n, FACES), which are 0
# for none.
Traced = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]


class GraphMtcnn:
    """See `ml_engine.detection.base.Detector`.

    Args:
        build: makes the three Keras models, which take pixels, for the device that is current.
        devices: TensorFlow's names; batches go to them in turn.
    """

    name = "mtcnn"

    def __init__(
        self,
        build: Callable[[], tuple[Any, Any, Any]],
        *,
        devices: tuple[str, ...] = ("/GPU:0",),
        thresholds: Thresholds | None = None,
        min_face_px: int = 40,
    ) -> None:
        import tensorflow as tf

        self._thresholds = thresholds or Thresholds()
        self._min_face_px = min_face_px
        self._traced: OrderedDict[tuple[object, ...], Traced] = OrderedDict()
        replicas = []
        for device in devices:
            with tf.device(device):
                replicas.append((device, build()))
        self._replicas = cycle(replicas)

    def detect(self, images: Sequence[Image], wanted: Wanted = EVERY_FACE) -> list[list[Face]]:
        smallest = max(wanted.min_face_px or self._min_face_px, networks.PNET_WINDOW)
        threshold = wanted.score_threshold
        score_threshold = self._thresholds.score if threshold is None else threshold
        found: list[list[Face]] = [[] for _ in images]
        launched = []
        for members, canvas in _batches(images, smallest):
            pause()
            batch, sizes = laid_out([images[index] for index in members], canvas)
            launched.append((members, self._run(batch, sizes, smallest, score_threshold)))
        for members, answers in launched:
            for index, *answer in zip(members, *(a.numpy() for a in answers), strict=False):
                found[index] = _faces(*answer)[: wanted.max_faces]
        return found

    def _run(
        self, batch: NDArray[np.uint8], sizes: Float32, smallest: int, score_threshold: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Tensors that may not be worked out yet: the next batch is launched meanwhile."""
        import tensorflow as tf

        device, models = next(self._replicas)
        key = (device, batch.shape[1:3], smallest)
        if key not in self._traced:
            cascade = Cascade(models, batch.shape[2], batch.shape[1], smallest, self._thresholds)
            self._traced[key] = tf.function(cascade.run, autograph=False, reduce_retracing=True)
        self._traced.move_to_end(key)
        if len(self._traced) > _MAX_TRACED:
            self._traced.popitem(last=False)
        least = self._thresholds.least_first_look(score_threshold)
        with tf.device(device):
            return self._traced[key](*map(tf.constant, (batch, sizes, score_threshold, least)))


def _batches(images: Sequence[Image], smallest: int) -> list[tuple[list[int], tuple[int, int]]]:
    """Which pictures go together, and their canvas (width, height). One without room for the
    smallest face is in none."""
    by_canvas: dict[tuple[int, int], list[int]] = {}
    for index, image in enumerate(images):
        if min(image.shape[:2]) >= smallest:
            width, height = (ceil(side / GRID_PX) * GRID_PX for side in image.shape[1::-1])
            by_canvas.setdefault((width, height), []).append(index)
    batches = []
    for canvas, members in by_canvas.items():
        step = max(1, min(BATCHES[-1], _MAX_BATCH_PX // (canvas[0] * canvas[1])))
        batches += [(members[at : at + step], canvas) for at in range(0, len(members), step)]
    return batches


def laid_out(images: Sequence[Image], canvas: tuple[int, int]) -> tuple[NDArray[np.uint8], Float32]:
    """Pictures on black, padded to a batch of `BATCHES`; and width and height of each."""
    rows = next(size for size in BATCHES if size >= len(images))
    batch = np.zeros((rows, canvas[1], canvas[0], 3), np.uint8)
    sizes = np.ones((rows, 2), np.float32)
    for row, image in enumerate(images):
        height, width = image.shape[:2]
        batch[row, :height, :width] = image
        sizes[row] = width, height
    return batch, sizes


def _faces(boxes: Float32, landmarks: Float32, scores: Float32) -> list[Face]:
    faces = [Face(boxes[n], landmarks[n], float(scores[n])) for n in np.flatnonzero(scores)]
    return sorted(faces, key=lambda face: face.size_px, reverse=True)


class Cascade:
    """The cascade for one canvas and one smallest face. Boxes are (n, places, 4), scores
    (n, places), best first, 0 where a place is empty."""

    def __init__(
        self,
        models: tuple[Any, Any, Any],
        width: int,
        height: int,
        smallest: int,
        thresholds: Thresholds,
    ) -> None:
        self._pnet, self._rnet, self._onet = models
        self._limits = thresholds
        levels = level_sizes(width, height, smallest)
        self._sizes = source_sizes(width, height, levels)
        self._first_level = len(self._sizes) - len(levels)
        self._windows, self._level_of = self._cells()

    def _cells(self) -> tuple[Float32, NDArray[np.int32]]:
        """The window of each of P-Net's cells in pixels of the canvas, and its level."""
        windows, level_of = [], []
        for level, size in enumerate(self._sizes[self._first_level :]):
            scale = np.tile(np.divide(size, self._sizes[0]).astype(np.float32), 2)
            columns, rows = map(_cells_along, size)
            row, column = np.mgrid[:rows, :columns].reshape(2, -1)
            corners = np.stack([column, row], axis=1) * networks.PNET_STRIDE
            both = np.concatenate([corners, corners + networks.PNET_WINDOW], axis=1)
            windows.append(both / scale)
            level_of.append(np.full(len(both), level, np.int32))
        return np.concatenate(windows).astype(np.float32), np.concatenate(level_of)

    def run(
        self, pixels: Tensor, sizes: Tensor, wanted: Tensor, least: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """See `Traced`."""
        import tensorflow as tf

        sources = Sources(tf.cast(pixels, tf.float32), self._sizes)
        boxes, scores = self._propose(sources.copies[self._first_level :])
        boxes, scores = self._refine(sources, boxes, scores)
        return self._output(sources, boxes, scores, sizes, wanted, least)

    def _propose(self, levels: list[Tensor]) -> tuple[Tensor, Tensor]:
        import tensorflow as tf

        limits = self._limits
        maps = []
        for level in levels:
            height, width = map(_cells_along, level.shape[1:3])
            whole = self._pnet(level, training=False)[:, :height, :width]
            maps.append(tf.reshape(whole, (tf.shape(whole)[0], height * width, 5)))
        cells = tf.concat(maps, axis=1)
        odds, rows = tf.math.top_k(cells[..., 4], min(CELLS, len(self._windows)))
        offsets = tf.gather(cells[..., :4], rows, batch_dims=1)
        boxes = moved(tf.gather(self._windows, rows), offsets)
        scores = tf.where(odds > limits.proposal_log_odds, tf.sigmoid(odds), 0.0)
        level_of = tf.gather(self._level_of, rows)
        is_same_level = level_of[:, :, None] == level_of[:, None, :]
        scores = suppressed(boxes, scores, limits.overlap_in_level, is_same_level)
        boxes, scores = best(scores, LOOKS + WINDOWS, boxes)
        scores = suppressed(boxes, scores, limits.overlap_of_proposals)
        return best(scores, WINDOWS, boxes)

    def _refine(self, sources: Sources, boxes: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        import tensorflow as tf

        squares = squared(boxes)
        offsets, faces = _asked(self._rnet, sources.crops(squares, networks.RNET_SIZE))
        is_face = (scores > 0) & (faces[..., 1] > self._limits.refinement)
        boxes, scores = best(
            tf.where(is_face, faces[..., 1], 0.0), WINDOWS, moved(squares, offsets)
        )
        scores = suppressed(boxes, scores, self._limits.overlap_of_refinements)
        return best(scores, LOOKS, boxes)

    def _output(
        self,
        sources: Sources,
        boxes: Tensor,
        scores: Tensor,
        sizes: Tensor,
        wanted: Tensor,
        least: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        import tensorflow as tf

        limits = self._limits
        seen, _, rated = self._look(sources, boxes)
        first_scores = tf.where((scores > 0) & (rated >= limits.first_look), rated, 0.0)
        first, first_scores = self._chosen(seen, first_scores, least)
        second, landmarks, second_scores = self._look(sources, first, with_mirrored=True)
        scores = tf.where(first_scores > 0, (first_scores + 2 * second_scores) / 3, 0.0)
        corners = tf.tile(sizes, (1, 2))[:, None, :]
        boxes = tf.clip_by_value((first + 2 * second) / 3, 0.0, corners)
        boxes, scores, landmarks = best(scores, FACES, boxes, landmarks)
        scores = suppressed(boxes, scores, limits.overlap_of_faces)
        return boxes, landmarks, tf.where(scores >= wanted, scores, 0.0)

    def _chosen(self, boxes: Tensor, scores: Tensor, least: Tensor) -> tuple[Tensor, Tensor]:
        """For each face the mean of the boxes that overlap its best; with the best's score."""
        import tensorflow as tf

        boxes, scores = best(scores, LOOKS, boxes)
        winners = suppressed(boxes, scores, self._limits.overlap_of_looks)
        is_same = tf.cast(iou(boxes) > self._limits.overlap_of_same, tf.float32)
        weights = is_same * scores[:, None, :]
        sums = tf.reduce_sum(weights, axis=2, keepdims=True)
        means = tf.math.divide_no_nan(weights @ boxes, sums)
        return best(tf.where(winners >= least, winners, 0.0), FACES, means)

    def _look(
        self, sources: Sources, boxes: Tensor, *, with_mirrored: bool = False
    ) -> tuple[Tensor, Tensor, Tensor]:
        """O-Net on squares around boxes: boxes, landmarks (n, places, 5, 2) and scores."""
        import tensorflow as tf

        squares = squared(boxes)
        crops = sources.crops(squares, networks.ONET_SIZE)
        answers = _asked(self._onet, crops)
        if with_mirrored:
            turned = _mirrored(*_asked(self._onet, crops[:, :, :, ::-1]))
            answers = [(a + b) / 2 for a, b in zip(answers, turned, strict=True)]
        offsets, points, faces = answers
        sides = squares[..., 2:] - squares[..., :2]
        in_square = tf.stack([points[..., :5], points[..., 5:]], axis=-1)
        landmarks = squares[:, :, None, :2] + in_square * sides[:, :, None, :]
        return moved(squares, offsets), landmarks, faces[..., 1]


def _cells_along(side: int) -> int:
    """P-Net's cells whose windows lie within a side."""
    return (side - networks.PNET_WINDOW) // networks.PNET_STRIDE + 1


def _mirrored(offsets: Tensor, points: Tensor, faces: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """O-Net's answers for mirrored crops as for the crops themselves: left and right change."""
    import tensorflow as tf

    turned = tf.gather(offsets, [2, 1, 0, 3], axis=-1) * [-1.0, 1.0, -1.0, 1.0]
    x = 1 - tf.gather(points, [1, 0, 2, 4, 3], axis=-1)
    y = tf.gather(points, [6, 5, 7, 9, 8], axis=-1)
    return turned, tf.concat([x, y], axis=-1), faces


def _asked(network: Any, crops: Tensor) -> list[Tensor]:
    """A network on crops (n, places, s, s, 3): its outputs as (n, places, columns)."""
    import tensorflow as tf

    shape = tf.shape(crops)
    outputs = network(tf.reshape(crops, (-1, *crops.shape[2:])), training=False)
    return [tf.reshape(out, (shape[0], shape[1], out.shape[-1])) for out in outputs]
