"""Embedders: length, mirror images, and one made of two."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from ml_engine.align import TEMPLATE_112, template_of
from ml_engine.embedding import aligner_of
from ml_engine.embedding.base import unit
from ml_engine.embedding.fusion import FusionEmbedder
from ml_engine.embedding.network import NetworkEmbedder
from ml_engine.engine import FaceEngine
from ml_engine.images import decode_image
from ml_engine.runtime.network import Batch
from ml_engine.types import Float32
from ml_engine.zoo import embedder_card, preset


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
    return NetworkEmbedder(192, _Means())


def _crops(count: int) -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(0)
    scales = rng.integers(20, 255, (count, 2))
    crops = np.zeros((count, 112, 112, 3), np.uint8)
    crops[:, :, :56], crops[:, :, 56:] = (
        scales[:, 0, None, None, None],
        scales[:, 1, None, None, None],
    )
    return list(crops)


def test_embeddings_are_float32_of_length_one() -> None:
    vectors = _embedder().embed_crops(_crops(5))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert vectors.dtype == np.float32


def test_embedding_no_crops_gives_no_vectors() -> None:
    assert _embedder().embed_crops([]).shape == (0, 192)


def test_a_flipped_average_is_that_of_both_vectors() -> None:
    crops = _crops(3)
    plain = _embedder().embed_crops(crops)
    mirrored = _embedder().embed_crops([crop[:, ::-1] for crop in crops])
    assert np.abs(plain - mirrored).max() > 0.1
    flipped = _embedder().embed_crops(crops, flip=True)
    np.testing.assert_allclose(flipped, unit(plain + mirrored), atol=1e-6)


class _Fixed:
    """An embedder of given vectors, whose crops are their numbers."""

    def __init__(self, vectors: Float32) -> None:
        self.dimension = vectors.shape[1]
        self._vectors = vectors

    def embed_crops(self, crops: Sequence[int], *, flip: bool = False) -> Float32:
        return self._vectors[list(crops)]


def test_fusion_is_both_vectors_side_by_side() -> None:
    rng = np.random.default_rng(1)
    first = unit(rng.normal(size=(4, 6)).astype(np.float32))
    second = unit(rng.normal(size=(4, 5)).astype(np.float32))
    fusion = FusionEmbedder([(_Fixed(first), 1.0), (_Fixed(second), 2.0)])
    assert fusion.dimension == 11
    vectors = fusion.embed_crops([(row, row) for row in range(4)])
    # Its cosine is the mean of the parts' cosines, weighted by the squares of the weights.
    expected = (first @ first.T + 4 * second @ second.T) / 5
    np.testing.assert_allclose(vectors @ vectors.T, expected, atol=1e-5)


def test_fusion_crops_are_those_of_its_parts() -> None:
    image = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    landmarks = np.stack([TEMPLATE_112 + 30, TEMPLATE_112 + 50])
    boxes = np.zeros((2, 4), np.float32)
    cards = [embedder_card(name) for name in ("mobilefacenet", "dlib_resnet", "fusion")]
    mobile, dlib, both = (aligner_of(card).crops(image, landmarks, boxes) for card in cards)
    assert [crop[0].shape for crop in both] == [(112, 112, 3)] * 2
    for row, (first, second) in enumerate(both):
        np.testing.assert_array_equal(first, mobile[row])
        np.testing.assert_array_equal(second, dlib[row])
    assert aligner_of(cards[1]).standard_crops(dlib) is None
    for card, crops in ((cards[0], mobile), (cards[2], both)):
        np.testing.assert_array_equal(aligner_of(card).standard_crops(crops), mobile)


@pytest.mark.parametrize("size", [96, 112, 224])
def test_crops_of_any_size_show_the_same_part_of_the_face(size: int) -> None:
    template = template_of("arcface", size)
    np.testing.assert_allclose((template + 0.5) / size, (TEMPLATE_112 + 0.5) / 112, atol=1e-6)


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
    faces = [found[0] for found in real_engine.find(photos)]
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
    faces = real_engine.find([photo])[0]

    def vector(name: str) -> Float32:
        embedding = real_engine.embed(photo, faces, embedder=name, flip=True)[0].embedding
        assert embedding is not None
        return embedding

    by_hand = np.concatenate([vector("mobilefacenet"), 2 * vector("dlib_resnet")]) / np.sqrt(5)
    np.testing.assert_allclose(vector("fusion"), by_hand, atol=1e-5)
