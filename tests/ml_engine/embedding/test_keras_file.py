"""Embedders in Keras files of the user's own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_engine import EngineConfig, load_engine
from ml_engine.embedding import Embedder, load_embedder
from ml_engine.embedding.base import unit
from ml_engine.images import decode_image
from ml_engine.runtime.device import ResolvedDevice
from ml_engine.types import ModelMissing, ModelUnusable, WeightsUnavailable
from ml_engine.zoo import EmbedderCard, Preprocessing, keras_card

pytestmark = pytest.mark.tensorflow
SIZE, DIMENSION = 32, 5
CPU = ResolvedDevice("cpu", "cpu", 1)


def _network(**options: Any) -> Any:
    """The mean colour of a face, times random weights."""
    import keras

    keras.utils.set_random_seed(1)
    values = {"size": SIZE, "dimension": DIMENSION} | options
    pixels = keras.Input((values["size"], values["size"], 3))
    colour = keras.layers.GlobalAveragePooling2D()(pixels)
    return keras.Model(pixels, keras.layers.Dense(values["dimension"], name="last")(colour))


def _saved(network: Any, path: Path) -> EmbedderCard:
    network.save(path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return keras_card("mine", path, sha256, size=SIZE, dimension=DIMENSION)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="module")
def card(weights: Path) -> EmbedderCard:
    return _saved(_network(), weights / "mine.keras")


def _load(card: EmbedderCard, weights: Path) -> Embedder:
    def part(_: EmbedderCard) -> Embedder:
        raise AssertionError("it has no parts")

    return load_embedder(card, weights, CPU, part)


def _crops() -> list[np.ndarray]:
    colours = np.random.default_rng(0).integers(0, 255, (6, 1, 1, 3))
    return list(np.broadcast_to(colours, (6, SIZE, SIZE, 3)).astype(np.uint8))


@pytest.mark.parametrize(
    "preprocessing",
    [Preprocessing(), Preprocessing(mean=0, scale=255, channels="bgr")],
    ids=["usual", "bgr of 0 to 1"],
)
def test_keras_file_is_run_with_its_preprocessing(
    card: EmbedderCard, weights: Path, preprocessing: Preprocessing
) -> None:
    assert card.source is not None
    mine = replace(card, source=replace(card.source, preprocessing=preprocessing))  # type: ignore[type-var]
    found = _load(mine, weights).embed_crops(_crops())
    colours = np.array([crop[0, 0] for crop in _crops()], np.float32)
    if preprocessing.channels == "bgr":
        colours = colours[:, ::-1]
    kernel, bias = _network().get_layer("last").get_weights()
    values = (colours - preprocessing.mean) / preprocessing.scale
    np.testing.assert_allclose(found, unit(values @ kernel + bias), atol=1e-4)


def test_keras_file_that_is_gone_or_changed_is_named(card: EmbedderCard, tmp_path: Path) -> None:
    assert card.source is not None
    path = tmp_path / "mine.keras"
    moved = replace(card, source=replace(card.source, path=Path("mine.keras")))  # type: ignore[type-var]
    with pytest.raises(WeightsUnavailable, match="Bring the file back") as missing:
        _load(moved, tmp_path)
    assert str(path) in str(missing.value)
    assert str(tmp_path) not in missing.value.message  # which callers are told
    path.write_bytes(b"another")
    with pytest.raises(WeightsUnavailable, match="is not the file of this model") as changed:
        _load(moved, tmp_path)
    assert str(tmp_path) not in changed.value.message


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"dimension": 7}, "a vector of 5"), ({"size": 48}, "cannot be used")],
)
def test_keras_file_that_does_not_fit_its_card_is_refused_at_once(
    options: dict[str, int], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelUnusable, match=reason):
        _load(_saved(_network(**options), tmp_path / "mine.keras"), tmp_path)


def test_keras_file_with_code_is_refused(tmp_path: Path) -> None:
    import keras

    pixels = keras.Input((SIZE, SIZE, 3))
    mean = keras.layers.Lambda(lambda values: values[:, 0, 0, :1] * np.ones(DIMENSION))(pixels)
    with pytest.raises(ModelUnusable, match="cannot be used"):
        _load(_saved(keras.Model(pixels, mean), tmp_path / "mine.keras"), tmp_path)


def test_file_that_is_no_keras_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.keras"
    path.write_bytes(b"hello")
    sha256 = hashlib.sha256(b"hello").hexdigest()
    with pytest.raises(ModelUnusable):
        _load(keras_card("mine", path, sha256, size=SIZE, dimension=DIMENSION), tmp_path)


@pytest.mark.parametrize("name", ["", "../mine", "a@b", "a b", "x" * 65])
def test_name_that_no_version_can_have_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no name of a model"):
        keras_card(name, Path("mine.keras"), "0" * 64, size=112, dimension=128)


@pytest.mark.weights
def test_engine_embeds_with_a_keras_file_that_its_config_names(
    card: EmbedderCard, weights_dir: Path, sample_photo: Callable[[str], bytes]
) -> None:
    asked: list[str] = []

    def find_card(version: str) -> EmbedderCard | None:
        asked.append(version)
        return card if version == card.version else None

    engine = load_engine(EngineConfig(weights_dir=weights_dir, device="cpu", find_card=find_card))
    try:
        photo = decode_image(sample_photo("obama"))
        (face,) = engine.analyze([photo], embedder=card.version, flip=True)[0]
        engine.analyze([photo], embedder=card.version)
        with pytest.raises(ModelMissing):
            engine.analyze([photo], embedder="mine@000000000000")
    finally:
        engine.close()
    assert face.model == card.version == f"mine@{card.sha256[:12]}"
    assert face.embedding is not None
    assert face.embedding.shape == (DIMENSION,)
    assert np.linalg.norm(face.embedding) == pytest.approx(1, abs=1e-5)
    assert asked == [card.version, "mine@000000000000"], "a card is asked for once"
