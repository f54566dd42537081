"""MTCNN as few, fused steps.

The cascade of Zhang et al. 2016 (arXiv:1604.02878): P-Net proposes boxes on a packed pyramid, R-Net
throws most of them out, O-Net scores the rest and places five landmarks. Each network runs
once for a whole batch of pictures; crops come from the pyramid level that fits them.

The second look is our own addition: the squares that mean one face are averaged, O-Net looks at the
mean once more, plain and mirrored, and a face's score is the mean of the three looks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml_engine.detection.base import Detector, FoundFaces
from ml_engine.detection.onet import by_picture, crops_of, look, outputs_of
from ml_engine.detection.pyramid import Plan, Pyramid, plan
from ml_engine.detection.thresholds import Thresholds
from ml_engine.geometry import clipped, iou, moved_by_offsets, nms, nms_by_group, squared
from ml_engine.networks import mtcnn as networks
from ml_engine.request import EVERY_FACE, Wanted
from ml_engine.runtime.device import ResolvedDevice
from ml_engine.runtime.network import Network
from ml_engine.runtime.pauses import pause
from ml_engine.types import Face, Float32, Image
from ml_engine.zoo import ensure, preset

BATCHES = (1, 4, 8, 16, 32)
_BUILDERS = {
    "pnet": networks.build_pnet,
    "rnet": networks.build_rnet,
    "onet": networks.build_onet,
}
# P-Net takes every size.
_SIZES = {"rnet": networks.RNET_SIZE, "onet": networks.ONET_SIZE}


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

    def detect(self, images: Sequence[Image], wanted: Wanted = EVERY_FACE) -> list[list[Face]]:
        smallest = max(wanted.min_face_px or self._min_face_px, networks.PNET_WINDOW)
        threshold = wanted.score_threshold
        score_threshold = self._thresholds.score if threshold is None else threshold
        pyramids: dict[int, Pyramid] = {}
        for index, image in enumerate(images):
            pause()
            if layout := plan(image.shape[1], image.shape[0], smallest):
                pyramids[index] = Pyramid(image, layout)
        faces: list[list[Face]] = [[] for _ in images]
        found = self._cascade(list(pyramids.values()), score_threshold)
        for index, of_image in zip(pyramids, found, strict=True):
            faces[index] = of_image[: wanted.max_faces]
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
            (cells,) = self._networks.pnet.run(batch)
            first = 0
            for index in members:
                rows = slice(first, first + len(pyramids[index].sheets))
                first = rows.stop
                proposals[index] = self._proposals(pyramids[index].layout, cells[rows])
        return [proposals[index] for index in range(len(pyramids))]

    def _proposals(self, layout: Plan, cells: Float32) -> _Boxes:
        """P-Net's cells (sheets, rows, columns, 5) to boxes of the picture."""
        limits = self._thresholds
        is_proposal = cells[..., 4] > np.float32(limits.proposal_log_odds)
        sheet, row, column = np.nonzero(is_proposal & (layout.tile_of_cell >= 0))
        found_cells = cells[sheet, row, column]
        tiles = layout.tile_of_cell[sheet, row, column]
        levels = layout.tile_levels[tiles]
        corners = np.stack([column, row], axis=1) * networks.PNET_STRIDE + layout.tile_shifts[tiles]
        windows = np.concatenate([corners, corners + networks.PNET_WINDOW], axis=1)
        boxes = moved_by_offsets(windows, found_cells[:, :4])
        boxes /= np.tile(layout.scales[levels], 2)
        scores = (1 / (1 + np.exp(-found_cells[:, 4]))).astype(np.float32)
        found = _Boxes(boxes, scores)
        kept = nms_by_group(found.boxes, found.scores, levels, limits.overlap_in_level)
        found = found.at(kept)
        return found.at(nms(found.boxes, found.scores, limits.overlap_of_proposals))

    def _refine(self, pyramids: list[Pyramid], proposals: list[_Boxes]) -> list[_Boxes]:
        limits = self._thresholds
        squares = [squared(found.boxes) for found in proposals]
        crops = crops_of(pyramids, squares, networks.RNET_SIZE)
        outputs = by_picture(outputs_of(self._networks.rnet, crops, columns=(4, 2)), squares)
        refined = []
        for square, (offsets, faces) in zip(squares, outputs, strict=True):
            rows = np.flatnonzero(faces[:, 1] > limits.refinement)
            found = _Boxes(moved_by_offsets(square[rows], offsets[rows]), faces[rows, 1])
            refined.append(found.at(nms(found.boxes, found.scores, limits.overlap_of_refinements)))
        return refined

    def _output(
        self, pyramids: list[Pyramid], refined: list[_Boxes], score_threshold: float
    ) -> list[list[Face]]:
        least = self._thresholds.least_first_look(score_threshold)
        looks = look(self._networks.onet, pyramids, [found.boxes for found in refined])
        chosen = [self._chosen(found, least) for found in looks]
        again = [found.boxes for found in chosen]
        looks = look(self._networks.onet, pyramids, again, with_mirrored=True)
        return [
            self._faces(pyramid, first, second, score_threshold)
            for pyramid, first, second in zip(pyramids, chosen, looks, strict=True)
        ]

    def _chosen(self, found: FoundFaces, least: float) -> _Boxes:
        """One box for each face that may reach the threshold: the mean of those that overlap its
        best, weighted by score; with the score of the best."""
        found = found.at(found.scores >= self._thresholds.first_look)
        best = nms(found.boxes, found.scores, self._thresholds.overlap_of_looks)
        best = best[found.scores[best] >= least]
        is_same = iou(found.boxes[best], found.boxes) > self._thresholds.overlap_of_same
        weights = is_same * found.scores
        means = (weights @ found.boxes) / weights.sum(axis=1, keepdims=True)
        return _Boxes(means.astype(np.float32), found.scores[best])

    def _faces(
        self, pyramid: Pyramid, first: _Boxes, second: FoundFaces, score_threshold: float
    ) -> list[Face]:
        """The first look at one picture's faces, and the mean of the second look's two, to the
        faces, largest first. The first look's landmarks only made embeddings worse."""
        scores = _mean_of_three(first.scores, second.scores)
        height, width = pyramid.sources[0].shape[:2]
        boxes = clipped(_mean_of_three(first.boxes, second.boxes), width, height)
        kept = nms(boxes, scores, self._thresholds.overlap_of_faces)
        kept = kept[scores[kept] >= score_threshold]
        faces = [Face(boxes[row], second.landmarks[row], float(scores[row])) for row in kept]
        return sorted(faces, key=lambda face: face.size_px, reverse=True)


def _mean_of_three(first: Float32, second: Float32) -> Float32:
    """`second`: the mean of two."""
    return ((first + 2 * second) / 3).astype(np.float32)


def load_mtcnn(
    weights_dir: Path,
    device: ResolvedDevice,
    *,
    thresholds: Thresholds | None = None,
    min_face_px: int = 40,
) -> Detector:
    """`GraphMtcnn` for a GPU, `MtcnnDetector` for a CPU. WeightsUnavailable if weights are
    missing."""
    card = preset("mtcnn")
    files = ensure(card.artefact, weights_dir)
    if device.kind == "gpu":
        return _load_graph(files, device, thresholds, min_face_px)

    model = Networks(
        pnet=load_network("pnet", weights_dir, device),
        rnet=load_network("rnet", weights_dir, device),
        onet=load_network("onet", weights_dir, device),
    )
    return MtcnnDetector(model, thresholds=thresholds, min_face_px=min_face_px)


def load_network(name: str, weights_dir: Path, device: ResolvedDevice) -> Network:
    """One of the three, which takes pixels; a network of one size is ready for its `BATCHES`.
    WeightsUnavailable if its file is missing."""
    card = preset("mtcnn")
    path = ensure(card.artefact, weights_dir)[f"{name}.lz4"]
    size = _SIZES.get(name)
    network = device.network(
        partial(_BUILDERS[name], path, takes_pixels=True),
        name=f"mtcnn_{name}",
        weights_sha256=card.sha256,
        cache_dir=weights_dir / "converted",
        batches=BATCHES if size else (1,),
        is_free_size=size is None,
        # P-Net gains little by it, and loses.
        byte_weights=size is not None,
        lanes=device.detection_lanes,
    )
    if size:
        network.prepare((size, size, 3))
    return network


def _load_graph(
    files: Mapping[str, Path],
    device: ResolvedDevice,
    thresholds: Thresholds | None,
    min_face_px: int,
) -> Detector:
    from ml_engine.detection.mtcnn_graph import GraphMtcnn

    devices = tuple(f"/GPU:{number}" for number in range(device.gpus))
    return GraphMtcnn(
        partial(build_networks, files),
        devices=devices,
        thresholds=thresholds,
        min_face_px=min_face_px,
    )


def build_networks(files: Mapping[str, Path]) -> tuple[Any, Any, Any]:
    """P-Net, R-Net and O-Net as Keras models that take pixels, from the files of the preset."""
    pnet, rnet, onet = (
        build(files[f"{name}.lz4"], takes_pixels=True) for name, build in _BUILDERS.items()
    )
    return pnet, rnet, onet
