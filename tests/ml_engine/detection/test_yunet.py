"""YuNet alone and with O-Net; its file comes from the evaluation data here."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from ml_engine import EngineConfig, load_engine
from ml_engine.detection import Detector, load_detector
from ml_engine.detection.yunet import Copies, _spans
from ml_engine.engine import FaceEngine
from ml_engine.images import decode_image
from ml_engine.request import Wanted
from ml_engine.runtime.device import ResolvedDevice
from ml_engine.types import Image, WeightsUnavailable
from ml_engine.zoo import preset

DEVICE = ResolvedDevice("cpu", "cpu", 1)
PLACED = "yunet-face_detection_yunet_2026may.onnx"


@pytest.fixture(scope="module")
def yunet(yunet_dir: Path) -> Detector:
    return load_detector("yunet", yunet_dir, DEVICE)


def test_yunet_without_its_file_says_how_to_fetch_it(tmp_path: Path) -> None:
    with pytest.raises(
        WeightsUnavailable, match=r"run `python -m ml_engine fetch yunet`"
    ) as missing:
        load_detector("yunet", tmp_path, DEVICE)
    assert PLACED in str(missing.value)


def test_yunet_with_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / PLACED).write_bytes(b"something else")
    with pytest.raises(WeightsUnavailable, match="not the file that was pinned") as other:
        load_detector("yunet", tmp_path, DEVICE)
    assert str(tmp_path) not in other.value.message


def test_unknown_detector_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="there are mtcnn, yunet"):
        load_detector("haar", tmp_path, DEVICE)


@pytest.mark.data
@pytest.mark.weights
@pytest.mark.parametrize("name", ["yunet", "yunet_onet"])
def test_engine_with_yunet_finds_measures_and_embeds(
    name: str, yunet_dir: Path, sample_photo: Callable[[str], bytes]
) -> None:
    engine = load_engine(EngineConfig(weights_dir=yunet_dir, detector=name, device="cpu"))
    try:
        assert engine.detector == preset(name).version
        photos = [decode_image(sample_photo(photo)) for photo in ("obama", "obama2", "biden")]
        faces = [found[0] for found in engine.analyze(photos)]
    finally:
        engine.close()
    assert all(face.quality for face in faces)
    first, second, other = np.array([face.embedding for face in faces], np.float32)
    assert first @ second > 0.5 > first @ other


@pytest.mark.data
@pytest.mark.weights
def test_yunet_finds_what_mtcnn_finds(
    yunet: Detector, real_engine: FaceEngine, sample_photo: Callable[[str], bytes]
) -> None:
    for name in ("obama", "obama2", "biden"):
        photo = decode_image(sample_photo(name))
        (face,), (other,) = yunet.detect([photo])[0], real_engine.find([photo])[0]
        reach = other.size_px
        assert np.abs(face.box - other.box).max() < 0.25 * reach
        assert np.abs(face.landmarks - other.landmarks).max() < 0.12 * reach
        # The left eye of the picture comes first.
        assert face.landmarks[0, 0] < face.landmarks[1, 0]
        assert 0.7 <= face.score <= 1


@pytest.mark.data
def test_yunet_respects_the_wanted_options(yunet: Detector, data_dir: Path) -> None:
    photo = decode_image((data_dir / "photos" / "multiface.jpg").read_bytes())
    faces, nothing = yunet.detect([photo, np.zeros((120, 90, 3), np.uint8)])
    assert len(faces) >= 5
    assert nothing == []
    sizes = [face.size_px for face in faces]
    assert sizes == sorted(sizes, reverse=True)
    assert yunet.detect([photo], Wanted(max_faces=2))[0][1].size_px == sizes[1]
    middle = round(sizes[len(sizes) // 2])
    larger = yunet.detect([photo], Wanted(min_face_px=middle))[0]
    assert 0 < len(larger) <= len(faces)
    assert all(face.size_px >= middle for face in larger)
    assert yunet.detect([photo], Wanted(score_threshold=0.999))[0] == []


@pytest.mark.parametrize("length", [1, 1023, 1024, 1025, 1888, 1889, 6000])
def test_tiles_cover_a_side_and_share_what_a_face_needs(length: int) -> None:
    spans = _spans(length)
    assert spans[0][0] == 0
    assert sum(spans[-1]) == length
    assert max(size for _, size in spans) <= 1024
    for (start, size), (next_start, _) in pairwise(spans):
        assert start + size - next_start == 160


@pytest.mark.parametrize("size", [(1280, 720), (640, 481), (21, 900), (4000, 3000)])
def test_copies_are_searched_at_a_quarter_again_and_again(size: tuple[int, int]) -> None:
    picture = Copies(np.zeros((size[1], size[0], 3), np.uint8), 0.5)
    widths = [picture.sources[number].shape[1] for number in picture.searched]
    assert widths[0] == round(size[0] / 2)
    assert all(abs(large / 4 - small) < 1 for large, small in pairwise(widths))
    assert min(picture.sources[picture.searched[-1]].shape[:2]) < 128
    steps = [source.shape[1] for source in picture.sources]
    assert all(small >= large // 2 for large, small in pairwise(steps)), "crops would skip pixels"


@pytest.mark.data
@pytest.mark.weights
@pytest.mark.parametrize("name", ["yunet", "yunet_onet"])
def test_faces_on_the_edges_of_tiles_are_found_once(
    name: str, yunet_dir: Path, photo: Callable[[str], Image]
) -> None:
    detector = load_detector(name, yunet_dir, DEVICE)
    portrait = photo("obama")
    face = detector.detect([portrait])[0][0]
    scale = 60 / face.size_px
    small = cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    height, width = small.shape[:2]
    image = np.zeros((height + 40, 2100, 3), np.uint8)
    middle = round(scale * float(face.box[[0, 2]].mean()))
    for edge in (start for start, _ in _spans(2100)[1:]):
        for left in (edge - middle, edge + 160 - middle):
            picture = image.copy()
            picture[20 : 20 + height, left : left + width] = small
            (found,) = detector.detect([picture], Wanted(min_face_px=20))[0]
            assert found.box[0] < left + middle < found.box[2]
