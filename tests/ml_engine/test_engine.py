"""Pictures to identities with real weights, and what the quality of a face means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from ml_engine.engine import FaceEngine
from ml_engine.images import decode_image
from ml_engine.matching.calibration import curve_of
from ml_engine.request import Ask, Wanted
from ml_engine.types import Face, Float32, Image
from ml_engine.zoo import presets_of

pytestmark = pytest.mark.weights

OBAMA = ("obama", "obama2", "obama3")
EMBEDDERS = [card.name for card in presets_of("embedder")]


def _vector(face: Face) -> Float32:
    assert face.embedding is not None
    return face.embedding


def _embed(engine: FaceEngine, image: Image, embedder: str, *, flip: bool = False) -> Float32:
    (face,) = engine.analyze([image], Wanted(max_faces=1), embedder=embedder, flip=flip)[0]
    return _vector(face)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("embedder", EMBEDDERS)
def test_engine_tells_one_person_from_another(
    embedder: str, flip: bool, real_engine: FaceEngine, photo: Callable[[str], Image]
) -> None:
    vectors = {
        name: _embed(real_engine, photo(name), embedder, flip=flip) for name in (*OBAMA, "biden")
    }
    threshold = curve_of(embedder, "mtcnn").threshold(1e-4)
    for left, right in combinations(OBAMA, 2):
        assert vectors[left] @ vectors[right] > threshold
    for name in OBAMA:
        assert vectors[name] @ vectors["biden"] < threshold
    for vector in vectors.values():
        assert vector.shape == (real_engine.embedder(embedder).dimension,)
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_flip_averaging_makes_a_picture_and_its_mirror_image_alike(
    real_engine: FaceEngine, photo: Callable[[str], Image]
) -> None:
    image = photo("obama")
    (face,) = real_engine.find([image], Wanted(max_faces=1))[0]
    mirrored = np.ascontiguousarray(image[:, ::-1])
    landmarks = face.landmarks[[1, 0, 2, 4, 3]] * np.array([-1, 1], np.float32)
    landmarks[:, 0] += image.shape[1] - 1
    turned = replace(face, landmarks=landmarks.astype(np.float32))

    def both(*, flip: bool) -> float:
        one = real_engine.embed(image, [face], flip=flip)[0]
        other = real_engine.embed(mirrored, [turned], flip=flip)[0]
        return float(_vector(one) @ _vector(other))

    assert both(flip=False) < both(flip=True)
    assert both(flip=True) > 0.99


def test_analyze_is_find_and_embed(real_engine: FaceEngine, photo: Callable[[str], Image]) -> None:
    image = photo("biden")
    at_once = real_engine.analyze([image])[0]
    detected = real_engine.find([image])[0]
    later = real_engine.embed(image, detected)
    assert len(at_once) == len(detected) == len(later) == 1
    np.testing.assert_allclose(at_once[0].box, detected[0].box, atol=0.1)
    assert _vector(at_once[0]) @ _vector(later[0]) > 0.9999
    assert detected[0].embedding is None
    assert at_once[0].quality is not None
    version = real_engine.embedder().version
    assert (detected[0].model, later[0].model, at_once[0].model) == (None, version, version)


def _side_by_side(left: Image, right: Image) -> Image:
    height = max(left.shape[0], right.shape[0])
    image = np.zeros((height, left.shape[1] + right.shape[1], 3), np.uint8)
    image[: left.shape[0], : left.shape[1]] = left
    image[: right.shape[0], left.shape[1] :] = right
    return image


def test_faces_are_found_in_the_region_only(
    real_engine: FaceEngine, photo: Callable[[str], Image]
) -> None:
    left = photo("obama")[::2, ::2]
    middle, image = left.shape[1], _side_by_side(left, photo("biden")[::2, ::2])
    everyone = sorted(real_engine.analyze([image])[0], key=lambda face: float(face.box[0]))
    assert len(everyone) == 2
    regions = ((-50, 0, middle, 5000), (middle, 0, image.shape[1], image.shape[0]))
    for whole, region in zip(everyone, regions, strict=True):
        (face,) = real_engine.analyze([image], Wanted(region=region))[0]
        np.testing.assert_allclose(face.box, whole.box, atol=0.1 * whole.size_px)
        np.testing.assert_allclose(face.landmarks, whole.landmarks, atol=0.05 * whole.size_px)
        assert _vector(face) @ _vector(whole) > 0.8
        assert face.quality is not None
    with pytest.raises(ValueError, match="Nothing of the region"):
        real_engine.find([image], Wanted(region=(image.shape[1] + 5, 0, 5000, 100)))


def test_faces_that_are_too_large_are_left_out(
    real_engine: FaceEngine, photo: Callable[[str], Image]
) -> None:
    image = _side_by_side(photo("obama")[::2, ::2], photo("biden")[::4, ::4])
    first, second = real_engine.find([image])[0]
    limit = round((first.size_px + second.size_px) / 2)
    (face,) = real_engine.find([image], Wanted(max_face_px=limit, max_faces=1))[0]
    np.testing.assert_allclose(face.box, second.box, atol=1e-3)


def test_engine_timings_name_every_stage(
    real_engine: FaceEngine, photo: Callable[[str], Image]
) -> None:
    timings: dict[str, float] = {}
    real_engine.analyze([photo("obama")], ask=Ask(timings=timings))
    assert {"queue", "detect", "align", "embed"} <= set(timings)
    assert all(value >= 0 for value in timings.values())


def test_analyze_without_pictures_or_faces_is_empty(real_engine: FaceEngine) -> None:
    assert real_engine.analyze([]) == []
    assert real_engine.analyze([np.zeros((60, 80, 3), np.uint8)]) == [[]]


@pytest.mark.parametrize(
    "image",
    [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 4), np.uint8), np.zeros((9, 9, 3), np.float32)],
    ids=["grey", "four channels", "floats"],
)
def test_array_that_is_no_rgb_image_is_refused(image: Image, real_engine: FaceEngine) -> None:
    with pytest.raises(ValueError, match="RGB uint8"):
        real_engine.analyze([image])


@pytest.mark.data
def test_strangers_on_one_photo_are_different_people(
    real_engine: FaceEngine, data_dir: Path
) -> None:
    image = decode_image((data_dir / "photos" / "multiface.jpg").read_bytes())
    faces = real_engine.analyze([image])[0]
    assert len(faces) >= 5
    threshold = curve_of("mobilefacenet", "mtcnn").threshold(1e-4)
    for one, other in combinations(faces, 2):
        assert _vector(one) @ _vector(other) < threshold
