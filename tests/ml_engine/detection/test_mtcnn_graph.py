"""The detector for GPUs, on a CPU: it finds what the other one finds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ml_engine.detection import Detector
from ml_engine.detection.graph_boxes import iou as iou_of_graph
from ml_engine.detection.graph_boxes import suppressed
from ml_engine.detection.graph_sampling import Sources
from ml_engine.detection.mtcnn_graph import FACES, GraphMtcnn
from ml_engine.detection.mtcnn_graph import _mirrored as mirrored_in_graph
from ml_engine.detection.onet import _mirrored as mirrored_on_cpu
from ml_engine.detection.pyramid import Pyramid, plan
from ml_engine.geometry import iou, nms, nms_by_group
from ml_engine.networks import mtcnn as networks
from ml_engine.request import Wanted
from ml_engine.types import Face, Image
from ml_engine.zoo import fetch

pytestmark = pytest.mark.weights

# Pyramids differ a little, so one of them may miss a face of which neither is sure.
SURE = 0.85


@pytest.fixture(scope="module")
def graph(weights_dir: Path) -> GraphMtcnn:
    files = fetch("mtcnn", weights_dir)

    def build() -> tuple[Any, Any, Any]:
        return (
            networks.build_pnet(files["pnet.lz4"], takes_pixels=True),
            networks.build_rnet(files["rnet.lz4"], takes_pixels=True),
            networks.build_onet(files["onet.lz4"], takes_pixels=True),
        )

    return GraphMtcnn(build, devices=("/CPU:0",))


def _crowd(photo: Callable[[str], Image]) -> Image:
    """Faces of many sizes in a picture whose sides are no multiples of anything."""
    crowd = np.full((461, 731, 3), 90, np.uint8)
    at = 0
    for name, height in [("obama", 300), ("biden", 200), ("obama2", 130), ("obama3", 90)]:
        image = photo(name)
        width = round(image.shape[1] * height / image.shape[0])
        small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        width = min(width, crowd.shape[1] - at)
        crowd[:height, at : at + width] = small[:, :width]
        rows = min(height, crowd.shape[0] - height)
        crowd[height : height + rows, at : at + width] = small[:rows, :width]
        at += width
    return crowd


@pytest.mark.parametrize("min_face_px", [20, 40, 100])
def test_mtcnn_graph_finds_what_mtcnn_finds(
    min_face_px: int, graph: GraphMtcnn, detector: Detector, photo: Callable[[str], Image]
) -> None:
    wanted_size, images = Wanted(min_face_px=min_face_px), [_crowd(photo)]
    if min_face_px == 40:  # each size of picture is compiled anew
        one = photo("obama")[::2, ::2]
        images += [one, one[:, ::-1], np.zeros((15, 300, 3), np.uint8)]
    mine, others = graph.detect(images, wanted_size), detector.detect(images, wanted_size)
    assert [len(faces) for faces in mine[1:]] == [1, 1, 0][: len(images) - 1]
    assert sum(face.score > SURE for face in mine[0]) > 1
    for found, wanted in zip(mine, others, strict=True):
        _assert_all_met(found, wanted)
        _assert_all_met(wanted, found)


def _assert_all_met(faces: list[Face], others: list[Face]) -> None:
    """Every sure face is among the others, with about the same score and landmarks."""
    for face in faces:
        if face.score < SURE:
            continue
        met = max(others, key=lambda other: float(iou(face.box[None], other.box[None])[0, 0]))
        assert float(iou(face.box[None], met.box[None])[0, 0]) > 0.85
        assert face.score == pytest.approx(met.score, abs=0.1)
        assert np.abs(face.landmarks - met.landmarks).max() < 0.05 * met.size_px


def test_mtcnn_graph_respects_the_wanted_options(
    graph: GraphMtcnn, photo: Callable[[str], Image]
) -> None:
    crowd = _crowd(photo)
    everyone = graph.detect([crowd])[0]
    sizes = [face.size_px for face in everyone]
    assert sizes == sorted(sizes, reverse=True)
    assert [face.size_px for face in graph.detect([crowd], Wanted(max_faces=2))[0]] == sizes[:2]
    sure = graph.detect([crowd], Wanted(score_threshold=0.999))[0]
    assert len(sure) < len(everyone)
    assert all(face.score >= 0.999 for face in sure)
    assert graph.detect([]) == []
    height, width = crowd.shape[:2]
    for face in everyone:
        assert 0 <= face.box[0] < face.box[2] <= width
        assert 0 <= face.box[1] < face.box[3] <= height
    assert len(everyone) <= FACES


def test_suppression_in_the_graph_equals_nms() -> None:
    random = np.random.default_rng(1)
    corners = random.random((80, 2)) * 60
    boxes = np.concatenate([corners, corners + 8 + 20 * random.random((80, 2))], 1).astype("f4")
    scores = np.sort(random.random(80).astype("f4"))[::-1].copy()
    groups = random.integers(0, 3, 80)
    np.testing.assert_allclose(iou_of_graph(boxes[None])[0], iou(boxes, boxes), atol=1e-6)
    kept = np.flatnonzero(suppressed(boxes[None], scores[None], 0.3)[0])
    assert 0 < len(kept) < 80
    assert kept.tolist() == sorted(nms(boxes, scores, 0.3).tolist())
    is_same = groups[:, None] == groups[None]
    kept = np.flatnonzero(suppressed(boxes[None], scores[None], 0.3, is_same[None])[0])
    assert kept.tolist() == sorted(nms_by_group(boxes, scores, groups, 0.3).tolist())
    nobody = suppressed(boxes[None], np.zeros((1, 80), np.float32), 0.3)
    assert not np.any(nobody)


def test_pyramid_and_crops_in_the_graph_equal_those_of_mtcnn(photo: Callable[[str], Image]) -> None:
    image = np.ascontiguousarray(photo("obama")[:480, :640])
    layout = plan(640, 480, 40)
    assert layout is not None
    pyramid = Pyramid(image, layout)
    sizes = [source.shape[1::-1] for source in pyramid.sources]
    sources = Sources(image[None].astype(np.float32), sizes)
    for copy, source in zip(sources.copies, pyramid.sources, strict=True):
        # Roundings of roundings.
        assert np.abs(np.asarray(copy[0]) - source).max() <= 3
    squares = np.array([[200, 100, 420, 320], [-30, 50, 40, 120], [10, 10, 60, 60]], np.float32)
    crops = np.asarray(sources.crops(squares[None], 48)[0])
    assert np.abs(crops - pyramid.crops(squares, 48)).max() <= 4


def test_mirrored_answers_are_turned_back_as_the_other_detector_does() -> None:
    random = np.random.default_rng(2)
    answers = [random.normal(size=(6, columns)).astype(np.float32) for columns in (4, 10, 2)]
    wanted = mirrored_on_cpu(*(answer.copy() for answer in answers))
    found = mirrored_in_graph(*(answer[None] for answer in answers))
    for expected, got in zip(wanted, found, strict=True):
        np.testing.assert_allclose(np.asarray(got)[0], expected, atol=1e-6)
