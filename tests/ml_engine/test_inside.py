"""What a network sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ml_engine.formats import convert_file
from ml_engine.inside import look_inside, sobel
from ml_engine.types import ModelUnusable
from ml_engine.zoo import embedder_card
from ml_engine.zoo.own import own_embedder
from tests.own_models import SIZE, tiny_tflite

FACE = np.random.default_rng(4).integers(0, 256, (SIZE, SIZE, 3), np.uint8)


def test_layers_of_an_own_model_are_told_with_their_windows(tmp_path: Path) -> None:
    made = convert_file(tiny_tflite(tmp_path / "tiny.tflite"), tmp_path)
    seen = look_inside(own_embedder("tiny", made.folder, tmp_path), tmp_path, FACE)
    pool, reshape = seen.layers
    assert (pool.operation, pool.shape, pool.weights) == ("AVERAGE_POOL_2D", (4, 4, 3), 0)
    assert pool.window is not None
    assert pool.window.formula == "(32 - 8 + 0) / 8 + 1 = 4"
    assert (reshape.operation, reshape.shape, reshape.window) == ("RESHAPE", (48,), None)
    assert seen.filters is None  # it has no convolution
    assert seen.maps == []


@pytest.mark.weights
@pytest.mark.parametrize("name", ["mobilefacenet", "dlib_resnet"])
def test_layers_filters_and_maps_of_presets_are_shown(name: str, weights_dir: Path) -> None:
    card = embedder_card(name)
    face = np.random.default_rng(4).integers(0, 256, (card.size, card.size, 3), np.uint8)
    seen = look_inside(card, weights_dir, face)
    windows = [layer.window for layer in seen.layers if layer.window is not None]
    assert all(
        (window.into - window.size + window.padding) // window.stride + 1 == window.out
        for window in windows
    )
    first = next(layer for layer in seen.layers if layer.operation == "CONV_2D")
    assert first.weights > 1000
    assert seen.filters is not None
    assert seen.filters.std() > 10
    assert len(seen.maps) == 4
    assert seen.maps[0][0] == first
    assert all(picture.std() > 5 for _, picture in seen.maps)


def test_fused_model_is_not_looked_into(tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable, match="made of other models"):
        look_inside(embedder_card("fusion"), tmp_path, FACE)


def test_sobel_is_bright_at_edges_and_dark_beside_them() -> None:
    half = np.zeros((20, 20, 3), np.uint8)
    half[:, 10:] = 200
    edges = sobel(half)[..., 0]
    assert (edges[:, 9:11] == 255).all()
    assert (edges[:, :8] == 0).all()
