"""Every detector with real weights on real photos."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ml_engine.detection import Detector, load_detector
from ml_engine.geometry import iou
from ml_engine.images import decode_image
from ml_engine.request import Wanted
from ml_engine.runtime.device import resolve_device
from ml_engine.types import Face, Image

pytestmark = pytest.mark.weights

NAMES = ("obama", "obama2", "obama3", "biden")
# The least score of a clear face.
CLEAR = {"mtcnn": 0.95, "yunet": 0.8, "yunet_onet": 0.95}
# How far landmarks may move in a mirrored picture, in sizes of the face.
MOVED = {"mtcnn": 0.04, "yunet": 0.12, "yunet_onet": 0.04}


@pytest.fixture(scope="module", params=CLEAR)
def detector(request: pytest.FixtureRequest) -> Detector:
    folder = request.getfixturevalue("weights_dir" if request.param == "mtcnn" else "yunet_dir")
    return load_detector(request.param, folder, resolve_device("cpu"))


def _only(faces: list[Face]) -> Face:
    assert len(faces) == 1
    return faces[0]


def _overlap(one: Face, other: Face) -> float:
    return float(iou(one.box[None], other.box[None])[0, 0])


@pytest.mark.parametrize("name", NAMES)
def test_a_portrait_has_one_face(
    name: str, detector: Detector, photo: Callable[[str], Image]
) -> None:
    image = photo(name)
    face = _only(detector.detect([image])[0])
    height, width = image.shape[:2]
    x1, y1, x2, y2 = face.box
    assert 0 <= x1 < x2 <= width
    assert 0 <= y1 < y2 <= height
    assert face.score > CLEAR[detector.name]
    assert face.box.dtype == face.landmarks.dtype == np.float32
    left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
    assert x1 < left_eye[0] < nose[0] < right_eye[0] < x2
    assert left_mouth[0] < right_mouth[0]
    assert y1 < max(left_eye[1], right_eye[1]) < nose[1] < left_mouth[1] < y2
    assert face.quality is None
    assert face.embedding is None


def test_a_batch_of_unlike_pictures_gives_what_each_gives_alone(
    detector: Detector, photo: Callable[[str], Image]
) -> None:
    images = [photo("obama"), np.zeros((30, 500, 3), np.uint8), photo("biden")[::2, ::2]]
    images.append(np.zeros((300, 300, 3), np.uint8))
    images.append(photo("obama")[:, ::-1])
    together = detector.detect(images)
    assert [len(faces) for faces in together] == [1, 0, 1, 0, 1]
    for image, faces in zip(images, together, strict=True):
        alone = detector.detect([image])[0]
        for one, other in zip(faces, alone, strict=True):
            np.testing.assert_allclose(one.box, other.box, atol=0.1)
            np.testing.assert_allclose(one.landmarks, other.landmarks, atol=0.1)
            assert one.score == pytest.approx(other.score, abs=1e-3)


def test_a_mirrored_picture_has_its_face_mirrored(
    detector: Detector, photo: Callable[[str], Image]
) -> None:
    image = photo("obama")[:400]
    face = _only(detector.detect([image])[0])
    mirrored = _only(detector.detect([np.ascontiguousarray(image[:, ::-1])])[0])
    expected = face.landmarks[[1, 0, 2, 4, 3]] * [-1, 1] + [image.shape[1], 0]
    assert np.abs(mirrored.landmarks - expected).max() < MOVED[detector.name] * face.size_px


@pytest.fixture
def crowd(photo: Callable[[str], Image]) -> Image:
    """Four portraits at a third, a quarter, a fifth and a sixth of their size, side by side."""
    import cv2

    shrunk = [
        cv2.resize(photo(name), None, fx=1 / by, fy=1 / by, interpolation=cv2.INTER_AREA)
        for name, by in zip(NAMES, (3, 4, 5, 6), strict=True)
    ]
    height = max(part.shape[0] for part in shrunk)
    padded = [np.pad(part, ((0, height - part.shape[0]), (0, 0), (0, 0))) for part in shrunk]
    return np.concatenate(padded, axis=1).astype(np.uint8)


def test_faces_come_largest_first_and_no_more_than_asked(detector: Detector, crowd: Image) -> None:
    faces = detector.detect([crowd], Wanted(min_face_px=20))[0]
    assert len(faces) == 4
    sizes = [face.size_px for face in faces]
    assert sizes == sorted(sizes, reverse=True)
    two = detector.detect([crowd], Wanted(min_face_px=20, max_faces=2))[0]
    assert [face.size_px for face in two] == sizes[:2]


def test_faces_far_below_the_minimum_size_are_not_searched(
    detector: Detector, crowd: Image
) -> None:
    sizes = [face.size_px for face in detector.detect([crowd], Wanted(min_face_px=20))[0]]
    smallest = round(2 * sizes[-1])
    larger = detector.detect([crowd], Wanted(min_face_px=smallest))[0]
    assert all(face.size_px > sizes[-1] for face in larger)


def test_the_score_threshold_is_kept(detector: Detector, crowd: Image) -> None:
    low = detector.detect([crowd], Wanted(min_face_px=20, score_threshold=0.05))[0]
    for threshold in (0.5, 0.9, 0.99):
        found = detector.detect([crowd], Wanted(min_face_px=20, score_threshold=threshold))[0]
        assert all(face.score >= threshold for face in found)
        # A face that is far below at first sight is not looked at again: one may be missing.
        assert sum(face.score >= threshold for face in low) - len(found) in (0, 1)


@pytest.mark.parametrize("shape", [(1, 1), (11, 900), (40, 40), (480, 640)])
def test_there_are_no_faces_in_noise(shape: tuple[int, int], detector: Detector) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    assert detector.detect([noise])[0] == []


def test_faces_of_no_pictures_are_none(detector: Detector) -> None:
    assert detector.detect([]) == []


@pytest.mark.data
def test_one_large_face_is_found_wherever_the_pyramid_puts_it(
    detector: Detector, data_dir: Path
) -> None:
    """O-Net rates it anything from 0.4 to 0.99 by where its square lies."""
    folder = data_dir / "celebs5" / "val" / "elton_john"
    for path in sorted(folder.iterdir()):
        image = decode_image(path.read_bytes())
        reference = detector.detect([image], Wanted(max_faces=1))[0][0]
        for smallest in (20, 22, 24, 26, 28, 30, 33, 36, 44, 48, 54):
            if smallest > 0.9 * reference.size_px:
                continue
            found = detector.detect([image], Wanted(min_face_px=smallest, max_faces=1))[0]
            assert found, f"lost at {smallest}: {path.name}"
            assert _overlap(found[0], reference) > 0.6


@pytest.mark.parametrize("width", [200, 3000])
def test_a_face_that_fills_the_picture_is_found(
    width: int, detector: Detector, photo: Callable[[str], Image]
) -> None:
    import cv2

    image = photo("obama")
    face = _only(detector.detect([image])[0])
    left, top = np.maximum(face.box[:2] - face.size_px / 4, 0).astype(int)
    right, bottom = (face.box[2:] + face.size_px / 4).astype(int)
    part = image[top:bottom, left:right]
    scale = width / part.shape[1]
    large = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    found = _only(detector.detect([np.asarray(large, np.uint8)])[0])
    wanted = (face.box - np.tile([left, top], 2)) * scale
    assert iou(found.box[None], wanted[None].astype(np.float32))[0, 0] > 0.6
