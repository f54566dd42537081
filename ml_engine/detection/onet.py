"""MTCNN's O-Net on boxes of pictures: it scores them, moves them, and places five landmarks.

Its answer depends on the exact place of its square: one large face scored 0.41 in one square and
0.99 in the next, and its landmarks moved as well. So detectors let it look more than once, plain
and mirrored. See docs/benchmarks.md for what that gains.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ml_engine.detection.base import FoundFaces
from ml_engine.detection.pyramid import Sources
from ml_engine.geometry import moved_by_offsets, squared
from ml_engine.networks.mtcnn import ONET_SIZE
from ml_engine.runtime.network import Network
from ml_engine.types import Float32


def look(
    onet: Network,
    pictures: Sequence[Sources],
    boxes: Sequence[Float32],
    *,
    with_mirrored: bool = False,
) -> list[FoundFaces]:
    """O-Net on the squares around boxes (n, 4) of each picture; on request the mean with its output
    for their mirror images."""
    squares = [squared(part) for part in boxes]
    crops = crops_of(pictures, squares, ONET_SIZE)
    outputs = outputs_of(onet, crops, columns=(4, 10, 2))
    if with_mirrored:
        mirrored = outputs_of(onet, crops[:, :, ::-1], columns=(4, 10, 2))
        outputs = _means(outputs, _mirrored(*mirrored))
    return [
        FoundFaces(moved_by_offsets(square, offsets), faces[:, 1], _landmarks(square, points))
        for square, (offsets, points, faces) in zip(
            squares, by_picture(outputs, squares), strict=True
        )
    ]


def _landmarks(squares: Float32, points: Float32) -> Float32:
    """(n, 10) five x and five y in units of the squares (n, 4) to (n, 5, 2) in pixels."""
    sides = squares[:, 2:] - squares[:, :2]
    in_square = points.reshape(-1, 2, 5).transpose(0, 2, 1)
    return (squares[:, None, :2] + in_square * sides[:, None, :]).astype(np.float32)


def _mirrored(offsets: Float32, points: Float32, faces: Float32) -> tuple[Float32, ...]:
    """O-Net's answers for mirrored crops as for the crops themselves: left and right change."""
    swapped = points.reshape(-1, 2, 5)[:, :, [1, 0, 2, 4, 3]]
    swapped[:, 0] = 1 - swapped[:, 0]
    turned = offsets[:, [2, 1, 0, 3]]
    turned[:, [0, 2]] *= -1
    return turned, swapped.reshape(-1, 10), faces


def _means(left: Sequence[Float32], right: Sequence[Float32]) -> list[Float32]:
    return [((a + b) / 2).astype(np.float32) for a, b in zip(left, right, strict=True)]


def crops_of(
    pictures: Sequence[Sources], squares: Sequence[Float32], size: int
) -> NDArray[np.uint8]:
    """Squares of each picture to the crops of all."""
    crops = [picture.crops(part, size) for picture, part in zip(pictures, squares, strict=True)]
    return crops[0] if len(crops) == 1 else np.concatenate(crops)


def outputs_of(
    network: Network, crops: NDArray[np.uint8], *, columns: tuple[int, ...]
) -> Sequence[Float32]:
    """The network once on all crops: its outputs, which have `columns` columns."""
    if not len(crops):
        return [np.empty((0, width), np.float32) for width in columns]
    return network.run(crops)


def by_picture(outputs: Sequence[Float32], squares: Sequence[Float32]) -> list[tuple[Float32, ...]]:
    """Outputs of the crops of all pictures to those of each."""
    ends = np.cumsum([len(part) for part in squares])[:-1]
    return list(zip(*(np.split(output, ends) for output in outputs), strict=True))
