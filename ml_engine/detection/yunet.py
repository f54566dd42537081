"""YuNet: faces and landmarks in one pass over a picture.

The network knows faces of about 10 to 300 pixels. So a picture is shrunk until the smallest face
wanted is as small as the network can see, and shown again much smaller for the largest faces. What
is too large for one call is cut into tiles, which share a part that holds every face that is not
found in the smaller copy anyway.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, log
from pathlib import Path

import numpy as np

from ml_engine.detection.base import FoundFaces
from ml_engine.detection.pyramid import Sources
from ml_engine.geometry import clipped, nms
from ml_engine.networks.yunet import EDGE_PX, GRID_PX, STRIDES, Convolution, build_yunet
from ml_engine.request import EVERY_FACE, Wanted
from ml_engine.runtime.device import ResolvedDevice
from ml_engine.runtime.network import Network
from ml_engine.runtime.pauses import pause
from ml_engine.types import Face, Float32, Image, WeightsUnavailable
from ml_engine.zoo import ARTEFACTS, ensure, preset

SCORE_THRESHOLD = 0.7
_OVERLAP = 0.3
# A picture is shrunk until the smallest face wanted is this large: at 40 pixels that costs 0.03 of
# the AP on the easy faces of WIDER and saves two thirds of the time.
_SMALLEST_PX = 20
# The next copy that is searched is so many times smaller.
_STEP = 4
# Sides of the largest tile, and what two neighbours share: a face of that size is well seen in the
# next copy, too.
_TILE_PX, _SHARED_PX = 1024, 160
# The shorter side of the smallest copy that is searched is at least this.
_LEAST_SIDE_PX = 32


@dataclass(frozen=True, slots=True)
class _Tile:
    """A part of one copy of a picture. x, y: its corner in the copy. scale: (2,) pixels of the copy
    for one of the picture. pixels: on black, as the network takes them."""

    x: int
    y: int
    scale: Float32
    pixels: Image


class Yunet:
    """The network on pictures of any size.

    Args:
        network: see `ml_engine.networks.yunet.build_yunet`.
    """

    def __init__(self, network: Network) -> None:
        self._network = network

    def copies(self, image: Image, min_face_px: int) -> Copies:
        """A picture as `find` takes it."""
        return Copies(image, min(1.0, _SMALLEST_PX / min_face_px))

    def find(self, pictures: Sequence[Copies], threshold: float) -> list[FoundFaces]:
        """Faces of each picture of at least this score, best first. Some are smaller than the
        smallest one that was wanted."""
        found = []
        for picture in pictures:
            parts = []
            for tile in _tiles(picture):
                pause()  # others may use the network meanwhile
                maps = self._network.run(tile.pixels[None])
                parts.append(_in_picture(_decoded(maps, threshold), tile))
            found.append(_best(parts))
        return found


class Copies(Sources):
    """A picture, and the copies of it that are searched for faces with those between them.

    searched: which of `sources` are searched.

    Args:
        scale: of the largest copy that is searched.
    """

    def __init__(self, image: Image, scale: float) -> None:
        whole = image.shape[1], image.shape[0]
        first = (max(1, round(whole[0] * scale)), max(1, round(whole[1] * scale)))
        sizes = [whole]
        while sizes[-1][0] >= 2 * first[0] and min(sizes[-1]) > 1:
            sizes.append((sizes[-1][0] // 2, sizes[-1][1] // 2))
        if first[0] < sizes[-1][0]:
            sizes.append(first)
        self.searched = [len(sizes) - 1]
        while min(sizes[-1]) >= _STEP * _LEAST_SIDE_PX:
            width, height = sizes[-1]
            sizes += [(width // 2, height // 2), (width // _STEP, height // _STEP)]
            self.searched.append(len(sizes) - 1)
        super().__init__(image, sizes)


def _tiles(picture: Copies) -> Iterator[_Tile]:
    for number in picture.searched:
        copy = picture.sources[number]
        for y, height in _spans(copy.shape[0]):
            for x, width in _spans(copy.shape[1]):
                pixels = _on_black(copy[y : y + height, x : x + width])
                yield _Tile(x, y, picture.scales[number], pixels)


def _spans(length: int) -> list[tuple[int, int]]:
    """Start and length of the parts of a side, about equal."""
    if length <= _TILE_PX:
        return [(0, length)]
    count = ceil((length - _SHARED_PX) / (_TILE_PX - _SHARED_PX))
    edges = [round(edge) for edge in np.linspace(0, length - _SHARED_PX, count + 1)]
    return [(start, end + _SHARED_PX - start) for start, end in pairwise(edges)]


def _on_black(part: Image) -> Image:
    height, width = (ceil(side / GRID_PX) * GRID_PX + EDGE_PX for side in part.shape[:2])
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[EDGE_PX : EDGE_PX + part.shape[0], EDGE_PX : EDGE_PX + part.shape[1]] = part
    return pixels


def _decoded(maps: Sequence[Float32], threshold: float) -> FoundFaces:
    """One picture's maps (1, rows, columns, 16) to faces in pixels of the input without its
    edge. A cell's score is the geometric mean of its two scores."""
    cells, corners, strides = _cells(maps, threshold)
    scores = np.sqrt(_sigmoid(cells[:, 0]) * _sigmoid(cells[:, 1]))
    centres = corners + cells[:, 2:4]
    half = np.exp(cells[:, 4:6]) / 2
    boxes = np.concatenate([centres - half, centres + half], axis=1) * strides[:, None]
    points = cells[:, 6:].reshape(-1, 5, 2) + corners[:, None]
    found = FoundFaces(boxes, scores, points * strides[:, None, None])
    return found.at(np.flatnonzero(scores >= threshold))


def _cells(maps: Sequence[Float32], threshold: float) -> tuple[Float32, Float32, Float32]:
    """The cells (n, 16) that may reach the score, their columns and rows (n, 2), and strides."""
    # Each of the two scores is at least the square of their mean.
    square = min(max(threshold, 1e-3), 1 - 1e-7) ** 2
    least = log(square / (1 - square))
    cells, corners, strides = [], [], []
    for stride, (each,) in zip(STRIDES, maps, strict=True):
        row, column = np.nonzero((each[..., 0] >= least) & (each[..., 1] >= least))
        cells.append(each[row, column])
        corners.append(np.stack([column, row], axis=1))
        strides.append(np.full(len(row), stride))
    return (
        np.concatenate(cells),
        np.concatenate(corners).astype(np.float32),
        np.concatenate(strides).astype(np.float32),
    )


def _sigmoid(odds: Float32) -> Float32:
    return (1 / (1 + np.exp(-odds))).astype(np.float32)


def _in_picture(found: FoundFaces, tile: _Tile) -> FoundFaces:
    corner = np.array([tile.x, tile.y], np.float32)
    boxes = (found.boxes + np.tile(corner, 2)) / np.tile(tile.scale, 2)
    landmarks = (found.landmarks + corner) / tile.scale
    return FoundFaces(boxes.astype(np.float32), found.scores, landmarks.astype(np.float32))


def _best(parts: Sequence[FoundFaces]) -> FoundFaces:
    found = FoundFaces(
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.landmarks for part in parts]),
    )
    return found.at(nms(found.boxes, found.scores, _OVERLAP))


class YunetDetector:
    """See `ml_engine.detection.base.Detector`."""

    name = "yunet"

    def __init__(self, yunet: Yunet, *, min_face_px: int = 40) -> None:
        self._yunet = yunet
        self._min_face_px = min_face_px

    def detect(self, images: Sequence[Image], wanted: Wanted = EVERY_FACE) -> list[list[Face]]:
        smallest = wanted.min_face_px or self._min_face_px
        threshold = SCORE_THRESHOLD if wanted.score_threshold is None else wanted.score_threshold
        pictures = [self._yunet.copies(image, smallest) for image in images]
        found = self._yunet.find(pictures, threshold)
        return [
            _faces(image, each, smallest)[: wanted.max_faces]
            for image, each in zip(images, found, strict=True)
        ]


def _faces(image: Image, found: FoundFaces, smallest_px: int) -> list[Face]:
    height, width = image.shape[:2]
    boxes = clipped(found.boxes, width, height)
    faces = [
        Face(box, points, float(score))
        for box, points, score in zip(boxes, found.landmarks, found.scores, strict=True)
    ]
    large = [face for face in faces if face.size_px >= smallest_px]
    return sorted(large, key=lambda face: face.size_px, reverse=True)


def load_yunet(
    weights_dir: Path, device: ResolvedDevice, *, min_face_px: int = 40
) -> YunetDetector:
    """WeightsUnavailable if the file is missing or is another one."""
    return YunetDetector(Yunet(load_network(weights_dir, device)), min_face_px=min_face_px)


def load_network(weights_dir: Path, device: ResolvedDevice) -> Network:
    """WeightsUnavailable if the file is missing or is another one."""
    card = preset("yunet")
    ((member, sha256),) = ARTEFACTS[card.artefact].members.items()
    path = ensure(card.artefact, weights_dir)[member]
    if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        raise WeightsUnavailable(
            f"{path.name} is not the file that was pinned (SHA-256 {sha256}): remove it and run "
            f"`python -m ml_engine fetch {card.artefact}`.",
            detail=path,
        )
    return device.network(
        lambda: build_yunet(_convolutions(path)),
        name="yunet",
        weights_sha256=card.sha256,
        cache_dir=weights_dir / "converted",
        batches=(1,),
        is_free_size=True,
        lanes=device.detection_lanes,
    )


def _convolutions(path: Path) -> list[Convolution]:
    from ml_engine.formats.onnx_file import read_onnx

    graph = read_onnx(path).model.graph
    arrays = {each.name: each for each in graph.initializer}

    def array(name: str) -> Float32:
        return np.frombuffer(arrays[name].raw_data, np.float32).reshape(arrays[name].dims)

    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    return [(array(node.input[1]), array(node.input[2])) for node in convolutions]
