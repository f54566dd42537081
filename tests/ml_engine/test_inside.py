"""What a network sees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ml_engine import inside
from ml_engine.formats import convert_file
from ml_engine.inside import look_inside, sobel
from ml_engine.runtime.device import resolve_device
from ml_engine.runtime.litert import LiteRtNetwork
from ml_engine.types import ModelUnusable, WeightsUnavailable
from ml_engine.zoo import EmbedderCard, embedder_card
from ml_engine.zoo.own import OwnNetwork, own_embedder
from tests.ml_engine.formats.hostile import altered_tflite
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


def _card(folder: Path, alter: Callable[[Any], None] = lambda model: None) -> EmbedderCard:
    path = altered_tflite(tiny_tflite(folder / "tiny.tflite"), folder / "altered.tflite", alter)
    made = convert_file(path, folder)
    return own_embedder("tiny", made.folder, folder)


def test_model_with_a_fixed_batch_is_looked_into(tmp_path: Path) -> None:
    def fix(model: Any) -> None:
        for tensor in model.subgraphs[0].tensors:
            if tensor.shapeSignature is not None:
                tensor.shapeSignature = None
                tensor.shape = [8, *tensor.shape[1:]]

    seen = look_inside(_card(tmp_path, fix), tmp_path, FACE)
    assert [layer.shape for layer in seen.layers] == [(4, 4, 3), (48,)]


def test_file_that_was_changed_is_not_run(tmp_path: Path) -> None:
    card = _card(tmp_path)
    assert isinstance(card.source, OwnNetwork)
    path = card.source.network_path(tmp_path)
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(WeightsUnavailable, match="is not the file of this model"):
        look_inside(card, tmp_path, FACE)


def test_model_with_too_much_between_input_and_output_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inside, "_MAX_KEPT_BYTES", 4 * (48 + 48) - 1)
    with pytest.raises(ModelUnusable, match="lie between input and output"):
        look_inside(_card(tmp_path), tmp_path, FACE)


def test_error_of_litert_says_that_the_model_cannot_be_shown(tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable, match="LiteRT does not run this model"):
        look_inside(_card(tmp_path), tmp_path, np.zeros((SIZE, SIZE, 4), np.uint8))


def test_preset_that_was_not_converted_yet_is_not_converted_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes TensorFlow, in the process that serves the page."""
    network = LiteRtNetwork(pytest.fail, name="x", weights_sha256="0", cache_dir=tmp_path)
    source = SimpleNamespace(network=lambda *given: network)
    card = replace(embedder_card("mobilefacenet"), source=source)
    with pytest.raises(ModelUnusable, match="was not used here yet"):
        look_inside(card, tmp_path, FACE)


@pytest.mark.weights
@pytest.mark.parametrize("name", ["mobilefacenet", "dlib_resnet"])
def test_layers_filters_and_maps_of_presets_are_shown(name: str, weights_dir: Path) -> None:
    card = embedder_card(name)
    face = np.random.default_rng(4).integers(0, 256, (card.size, card.size, 3), np.uint8)
    assert card.source is not None
    network = card.source.network(card, weights_dir, resolve_device("cpu"))
    assert isinstance(network, LiteRtNetwork)
    network.file((1, *face.shape))
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
