"""MTCNN as few, fused steps.

The cascade of Zhang et al. 2016 (arXiv:1604.02878): P-Net proposes boxes on a packed pyramid, R-Net
throws most of them out, O-Net scores what is left and places five landmarks. Each network runs
once for a whole batch of pictures; crops come from the pyramid level that fits them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml_engine.detection.pyramid import Plan, Pyramid, plan
from ml_engine.geometry import clipped, moved_by_offsets, nms, nms_by_group, squared
from ml_engine.networks import mtcnn as networks
from ml_engine.runtime.device import ResolvedDevice
from ml_engine.runtime.network import Network
from ml_engine.types import Face, Float32, Image
from ml_engine.zoo import ensure, preset

BATCHES = (1, 4, 8, 16, 32)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Scores 0..1 that a box must pass, and overlaps above which the worse of two boxes goes.

    The defaults of `proposal` and `refinement` cost little and keep faces that the published ones
    (0.6, 0.7) lose; `score` is what a live system wants: few false alarms.
    """

    proposal: float = 0.6
    refinement: float = 0.7
    score: float = 0.9
    overlap_in_level: float = 0.5
    overlap_of_proposals: float = 0.7
    overlap_of_refinements: float = 0.7
    overlap_of_faces: float = 0.7


@dataclass(frozen=True, slots=True)
class Networks:
    """The three, each taking pixels 0..255 and with the outputs of `ml_engine.networks.mtcnn`."""

    pnet: Network
    rnet: Network
    onet: Network


@dataclass(frozen=True, slots=True)
class _Boxes:
    """Boxes of one picture in its own pixels: (n, 4), (n,)."""

    boxes: Float32
    scores: Float32

    def at(self, rows: NDArray[Any]) -> _Boxes:
        return _Boxes(self.boxes[rows], self.scores[rows])


class MtcnnDetector:
    """See `ml_engine.detection.base.Detector`."""

    name = "mtcnn"

    def __init__(
        self,
        model: Networks,
        *,
        thresholds: Thresholds | None = None,
        min_face_px: int = 40,
    ) -> None:
        self._networks = model
        self._thresholds = thresholds or Thresholds()
        self._min_face_px = min_face_px

    def detect(
        self,
        images: Sequence[Image],
        *,
        min_face_px: int | None = None,
        score_threshold: float | None = None,
        max_faces: int | None = None,
    ) -> list[list[Face]]:
        smallest = max(min_face_px or self._min_face_px, networks.PNET_WINDOW)
        wanted = self._thresholds.score if score_threshold is None else score_threshold
        plans = [plan(image.shape[1], image.shape[0], smallest) for image in images]
        usable = [index for index, found in enumerate(plans) if found is not None]
        pyramids = [Pyramid(images[i], found) for i in usable if (found := plans[i]) is not None]
        faces: list[list[Face]] = [[] for _ in images]
        for index, found in zip(usable, self._cascade(pyramids, wanted), strict=True):
            faces[index] = found[:max_faces]
        return faces

    def _cascade(self, pyramids: list[Pyramid], score_threshold: float) -> list[list[Face]]:
        if not pyramids:
            return []
        proposals = self._propose(pyramids)
        refined = self._refine(pyramids, proposals)
        return self._output(pyramids, refined, score_threshold)

    def _propose(self, pyramids: list[Pyramid]) -> list[_Boxes]:
        """P-Net on every picture; pictures whose sheets have one shape go in together."""
        by_shape: dict[tuple[int, ...], list[int]] = {}
        for index, pyramid in enumerate(pyramids):
            by_shape.setdefault(pyramid.sheets.shape[1:], []).append(index)
        proposals: dict[int, _Boxes] = {}
        for members in by_shape.values():
            sheets = [pyramids[index].sheets for index in members]
            batch = sheets[0] if len(sheets) == 1 else np.concatenate(sheets)
            offsets, faces = self._networks.pnet.run(batch)
            first = 0
            for index in members:
                rows = slice(first, first + len(pyramids[index].sheets))
                first = rows.stop
                layout = pyramids[index].layout
                proposals[index] = self._proposals(layout, offsets[rows], faces[rows, ..., 1])
        return [proposals[index] for index in range(len(pyramids))]

    def _proposals(self, layout: Plan, offsets: Float32, scores: Float32) -> _Boxes:
        """Offsets (sheets, rows, columns, 4) and scores of the cells to boxes of the picture."""
        limits = self._thresholds
        sheet, row, column = np.nonzero((scores > limits.proposal) & (layout.tile_of_cell >= 0))
        tiles = layout.tile_of_cell[sheet, row, column]
        levels = layout.tile_levels[tiles]
        corners = np.stack([column, row], axis=1) * networks.PNET_STRIDE + layout.tile_shifts[tiles]
        windows = np.concatenate([corners, corners + networks.PNET_WINDOW], axis=1)
        boxes = moved_by_offsets(windows, offsets[sheet, row, column])
        boxes /= np.tile(layout.scales[levels], 2)
        found = _Boxes(boxes, scores[sheet, row, column])
        kept = nms_by_group(found.boxes, found.scores, levels, limits.overlap_in_level)
        found = found.at(kept)
        return found.at(nms(found.boxes, found.scores, limits.overlap_of_proposals))

    def _refine(self, pyramids: list[Pyramid], proposals: list[_Boxes]) -> list[_Boxes]:
        limits = self._thresholds
        squares = [squared(found.boxes) for found in proposals]
        outputs = _run_on_crops(
            self._networks.rnet, pyramids, squares, networks.RNET_SIZE, columns=(4, 2)
        )
        refined = []
        for square, (offsets, faces) in zip(squares, outputs, strict=True):
            rows = np.flatnonzero(faces[:, 1] > limits.refinement)
            found = _Boxes(moved_by_offsets(square[rows], offsets[rows]), faces[rows, 1])
            refined.append(found.at(nms(found.boxes, found.scores, limits.overlap_of_refinements)))
        return refined

    def _output(
        self, pyramids: list[Pyramid], refined: list[_Boxes], score_threshold: float
    ) -> list[list[Face]]:
        squares = [squared(found.boxes) for found in refined]
        outputs = _run_on_crops(
            self._networks.onet, pyramids, squares, networks.ONET_SIZE, columns=(4, 10, 2)
        )
        return [
            self._faces(pyramid, square, output, score_threshold)
            for pyramid, square, output in zip(pyramids, squares, outputs, strict=True)
        ]

    def _faces(
        self,
        pyramid: Pyramid,
        squares: Float32,
        output: tuple[Float32, ...],
        score_threshold: float,
    ) -> list[Face]:
        """O-Net's output of one picture to its faces, largest first."""
        offsets, points, scores = output[0], output[1], output[2][:, 1]
        rows = np.flatnonzero(scores >= score_threshold)
        squares, scores = squares[rows], scores[rows]
        boxes = moved_by_offsets(squares, offsets[rows])
        landmarks = _landmarks(squares, points[rows])
        kept = nms(boxes, scores, self._thresholds.overlap_of_faces)
        height, width = pyramid.sources[0].shape[:2]
        boxes = clipped(boxes, width, height)
        faces = [Face(boxes[row], landmarks[row], float(scores[row])) for row in kept]
        return sorted(faces, key=lambda face: face.size_px, reverse=True)


def _landmarks(squares: Float32, points: Float32) -> Float32:
    """(n, 10) five x and five y in units of the squares (n, 4) to (n, 5, 2) in pixels."""
    sides = squares[:, 2:] - squares[:, :2]
    in_square = points.reshape(-1, 2, 5).transpose(0, 2, 1)
    return (squares[:, None, :2] + in_square * sides[:, None, :]).astype(np.float32)


def _run_on_crops(
    network: Network,
    pyramids: list[Pyramid],
    squares: list[Float32],
    size: int,
    *,
    columns: tuple[int, ...],
) -> list[tuple[Float32, ...]]:
    """The network once on the crops of all pictures: for each picture its outputs, which have
    `columns` columns."""
    crops = [pyramid.crops(boxes, size) for pyramid, boxes in zip(pyramids, squares, strict=True)]
    batch = crops[0] if len(crops) == 1 else np.concatenate(crops)
    if not len(batch):
        return [tuple(np.empty((0, width), np.float32) for width in columns) for _ in pyramids]
    outputs = network.run(batch)
    ends = np.cumsum([len(boxes) for boxes in squares])[:-1]
    return list(zip(*(np.split(output, ends) for output in outputs), strict=True))


def load_mtcnn(
    weights_dir: Path,
    device: ResolvedDevice,
    *,
    thresholds: Thresholds | None = None,
    min_face_px: int = 40,
) -> MtcnnDetector:
    """WeightsUnavailable where the weights were not fetched."""
    card = preset("mtcnn")
    files = ensure(card.artefact, weights_dir)

    def network(name: str, build: Callable[..., Any], batches: tuple[int, ...]) -> Network:
        return device.network(
            lambda: build(files[f"{name}.lz4"], takes_pixels=True),
            name=f"mtcnn_{name}",
            weights_sha256=card.sha256,
            cache_dir=weights_dir / "converted",
            batches=batches,
            is_free_size=name == "pnet",
        )

    model = Networks(
        pnet=network("pnet", networks.build_pnet, (1,)),
        rnet=network("rnet", networks.build_rnet, BATCHES),
        onet=network("onet", networks.build_onet, BATCHES),
    )
    return MtcnnDetector(model, thresholds=thresholds, min_face_px=min_face_px)
