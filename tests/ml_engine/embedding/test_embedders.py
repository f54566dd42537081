"""Embedders: length, mirror images, and one made of two."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from ml_engine.align import TEMPLATE_112
from ml_engine.embedding.base import unit
from ml_engine.embedding.fusion import FusionEmbedder
from ml_engine.embedding.network import NetworkEmbedder
from ml_engine.engine import FaceEngine
from ml_engine.images import decode_image
from ml_engine.runtime.network import Batch
from ml_engine.types import Float32, Image
from ml_engine.zoo import preset


class _Means:
    """A network that gives the mean of the left half, of the right half, and 1."""

    def run(self, batch: Batch) -> tuple[Float32]:
        half = batch.shape[2] // 2
        left = batch[:, :, :half].mean(axis=(1, 2, 3))
        right = batch[:, :, half:].mean(axis=(1, 2, 3))
        return (np.stack([left, right, np.ones(len(batch))], axis=1).astype(np.float32),)

    def prepare(self, size: tuple[int, int, int]) -> None:
        """It is ready for any."""


def _embedder() -> NetworkEmbedder:
    return NetworkEmbedder(preset("mobilefacenet"), TEMPLATE_112, _Means())


def _crops(count: int) -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(0)
    scales = rng.integers(20, 255, (count, 2))
    crops = np.zeros((count, 112, 112, 3), np.uint8)
    crops[:, :, :56], crops[:, :, 56:] = (
        scales[:, 0, None, None, None],
        scales[:, 1, None, None, None],
    )
    return list(crops)


def test_vectors_have_length_one() -> None:
    vectors = _embedder().embed_crops(_crops(5))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert vectors.dtype == np.float32


def test_no_crops_no_vectors() -> None:
    assert _embedder().embed_crops([]).shape == (0, 192)


def test_a_flipped_average_is_that_of_both_vectors() -> None:
    crops = _crops(3)
    plain = _embedder().embed_crops(crops)
    mirrored = _embedder().embed_crops([crop[:, ::-1] for crop in crops])
    assert np.abs(plain - mirrored).max() > 0.1
    flipped = _embedder().embed_crops(crops, flip=True)
    np.testing.assert_allclose(flipped, unit(plain + mirrored), atol=1e-6)


class _Fixed:
    """An embedder of given vectors."""

    def __init__(self, name: str, vectors: Float32) -> None:
        self.name = name
        self.dimension = vectors.shape[1]
        self._vectors = vectors

    def crops(self, image: Image, landmarks: Float32) -> list[str]:
        return [f"{self.name}{number}" for number in range(len(landmarks))]

    def standard_crops(self, crops: list[str]) -> list[NDArray[np.uint8]] | None:
        return None

    def embed_crops(self, crops: Sequence[str], *, flip: bool = False) -> Float32:
        return self._vectors[[int(crop.removeprefix(self.name)) for crop in crops]]


def test_a_fusion_is_both_side_by_side() -> None:
    rng = np.random.default_rng(1)
    first = unit(rng.normal(size=(4, 6)).astype(np.float32))
    second = unit(rng.normal(size=(4, 5)).astype(np.float32))
    parts = [(_Fixed("a", first), 1.0), (_Fixed("b", second), 2.0)]
    fusion = FusionEmbedder(preset("fusion"), parts)
    assert fusion.dimension == 11
    crops = fusion.crops(np.zeros((1, 1, 3), np.uint8), np.zeros((4, 5, 2), np.float32))
    assert crops[2] == ("a2", "b2")
    vectors = fusion.embed_crops(crops)
    # Its cosine is the mean of the parts' cosines, weighted by the squares of the weights.
    expected = (first @ first.T + 4 * second @ second.T) / 5
    np.testing.assert_allclose(vectors @ vectors.T, expected, atol=1e-5)


def test_the_hash_of_a_fusion_is_that_of_its_parts_and_weights() -> None:
    parts = {preset(name).sha256 for name in ("mobilefacenet", "dlib_resnet")}
    assert len(preset("fusion").sha256) == 64
    assert preset("fusion").sha256 not in parts
    assert set(preset("fusion").artefacts) == {"mobilefacenet", "dlib_resnet"}


@pytest.mark.weights
def test_every_preset_tells_two_people_apart(
    real_engine: FaceEngine, sample_photo: Callable[[str], bytes]
) -> None:
    photos = [decode_image(sample_photo(name)) for name in ("obama", "obama2", "biden")]
    faces = [found[0] for found in real_engine.detect(photos)]
    for name in ("mobilefacenet", "dlib_resnet", "fusion"):
        embedded = [
            real_engine.embed(photo, [face], embedder=name)[0].embedding
            for photo, face in zip(photos, faces, strict=True)
        ]
        vectors = np.array(embedded, np.float32)
        assert vectors.shape == (3, preset(name).dimension)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
        same, other = vectors[0] @ vectors[1], vectors[0] @ vectors[2]
        assert same > other + 0.03, name


@pytest.mark.weights
def test_a_fusion_agrees_with_its_parts(
    real_engine: FaceEngine, sample_photo: Callable[[str], bytes]
) -> None:
    photo = decode_image(sample_photo("obama"))
    faces = real_engine.detect([photo])[0]

    def vector(name: str) -> Float32:
        embedding = real_engine.embed(photo, faces, embedder=name, flip=True)[0].embedding
        assert embedding is not None
        return embedding

    by_hand = np.concatenate([vector("mobilefacenet"), 2 * vector("dlib_resnet")]) / np.sqrt(5)
    np.testing.assert_allclose(vector("fusion"), by_hand, atol=1e-5)
