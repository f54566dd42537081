"""The last blocks of a network learn a camera's pictures; the blocks before stay as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_engine.training.data import Faces
from ml_engine.types import EngineError, Float32
from tests.ml_engine.training.invented import SIZE, invented_people

pytestmark = pytest.mark.tensorflow


def _network(*, has_blocks: bool = True) -> Any:
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    inputs = keras.Input((SIZE, SIZE, 1))
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(layers.Rescaling(1 / 255)(inputs))
    for stride in (1, 2) if has_blocks else ():
        x = layers.Conv2D(8, 3, stride, padding="same", activation="relu")(x)
        x = layers.Add()([x, layers.Conv2D(8, 3, padding="same")(x)])
    return keras.Model(inputs, layers.Dense(16)(layers.Flatten()(x)))


def _pairs(faces: Faces) -> Any:
    from ml_engine.training.adapt import CameraPairs

    camera = 255 - faces.pictures  # the camera gives negatives
    return CameraPairs(faces.pictures, camera, np.arange(len(faces)), faces.people)


def _unit(vectors: Float32) -> Float32:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.usefixtures("run_eagerly")
def test_adapted_network_gives_for_camera_pictures_what_it_gives_for_clean_ones() -> None:
    from ml_engine.recipe import Adaptation
    from ml_engine.training.adapt import adapt, split_network

    network, test = _network(), _pairs(invented_people(6, 4, seed=2))
    front, _ = split_network(network)
    before = _unit(network(test.clean.astype(np.float32)).numpy())
    frozen = [value.numpy() for value in front.variables]

    def nearness() -> tuple[float, float]:
        found = (network(pixels.astype(np.float32)).numpy() for pixels in (test.camera, test.clean))
        camera, clean = ((_unit(vectors) * before).sum(axis=1).mean() for vectors in found)
        return float(camera), float(clean)

    at_first = nearness()
    settings = Adaptation(epochs=6, batch=16, rate=3e-3, keep=3.0)
    adapt(network, _pairs(invented_people(20)), _pairs(invented_people(6, 4, seed=1)), settings)
    camera, clean = nearness()
    assert camera > at_first[0] + 0.1
    assert clean > 0.8
    for old, variable in zip(frozen, front.variables, strict=True):
        np.testing.assert_array_equal(variable.numpy(), old)


@pytest.mark.usefixtures("run_eagerly")
def test_adaptation_that_was_cut_off_ends_with_the_same_weights(tmp_path: Path) -> None:
    from ml_engine.recipe import Adaptation
    from ml_engine.training.adapt import adapt

    settings = Adaptation(epochs=3, batch=16, rate=3e-3)
    pairs, others = _pairs(invented_people(8)), _pairs(invented_people(4, 4, seed=1))

    def run(folder: Path, ends_at: int = -1) -> tuple[Any, Any]:
        network = _network()
        ends = lambda position, steps: position.step == ends_at  # noqa: E731
        return adapt(network, pairs, others, settings, folder=folder, ends=ends), network

    class Killed(Exception):
        pass

    def killed(point: Any, steps: int) -> None:
        if point.step == 8:
            raise Killed

    whole, expected = run(tmp_path)
    assert [point.step for point in whole.curve] == [4, 8, 12]
    (tmp_path / "cut").mkdir()
    with pytest.raises(Killed):
        adapt(_network(), pairs, others, settings, folder=tmp_path / "cut", told=killed)
    position, network = run(tmp_path / "cut")
    assert position == whole
    for one, two in zip(network.variables, expected.variables, strict=True):
        np.testing.assert_allclose(one.numpy(), two.numpy(), rtol=0, atol=1e-6)

    (tmp_path / "ended").mkdir()
    position, _ = run(tmp_path / "ended", ends_at=5)
    assert [point.step for point in position.curve] == [4, 5]


def test_comparison_tells_what_each_way_is_worth() -> None:
    from ml_engine.training.baselines import Seen, compare

    random = np.random.default_rng(0)
    people = np.repeat(np.arange(60), 3)
    turn = np.linalg.qr(random.standard_normal((16, 16)))[0].astype(np.float32)

    def seen(noise: float) -> Seen:
        middles = random.standard_normal((60, 16))[people]
        vectors = middles + 0.3 * random.standard_normal(middles.shape)
        clean = _unit(vectors.astype(np.float32))
        away = noise * random.standard_normal(clean.shape).astype(np.float32)
        return Seen(clean, _unit(clean + away) @ turn, people)

    known, others, tested = seen(0.05), seen(0.05), seen(0.05)
    adapted = Seen(tested.clean, _unit(tested.camera @ turn.T), people)
    rows = {row.name: row for row in compare(known, others, tested, adapted)}
    assert list(rows) == ["unchanged", "mean_shift", "ridge", "adapted"]
    assert rows["unchanged"].camera.auc < 0.6 < 0.95 < rows["ridge"].camera.auc
    assert rows["adapted"].camera.auc > 0.95
    assert rows["unchanged"].clean == rows["ridge"].clean == rows["adapted"].clean


def test_network_without_blocks_is_not_adapted() -> None:
    from ml_engine.training.adapt import split_network

    with pytest.raises(EngineError, match="no residual blocks"):
        split_network(_network(has_blocks=False))


def test_parts_of_a_network_give_together_what_it_gives() -> None:
    from ml_engine.training.adapt import split_network

    network = _network()
    front, tail = split_network(network)
    pixels = invented_people(2, 2).pictures.astype(np.float32)
    np.testing.assert_allclose(tail(front(pixels)), network(pixels), rtol=1e-5)
    assert front.output.shape[1:3] == (SIZE, SIZE)


def test_baselines_undo_a_shift_and_a_turn() -> None:
    from ml_engine.training.baselines import MeanShift, Ridge

    random = np.random.default_rng(0)
    clean = _unit(random.standard_normal((400, 8)).astype(np.float32))
    turn = np.linalg.qr(random.standard_normal((8, 8)))[0].astype(np.float32)
    shifted = _unit(clean + np.eye(8, dtype=np.float32)[0])
    turned = _unit(shifted @ turn)
    assert (MeanShift.fit(shifted, clean)(shifted) * clean).sum(axis=1).mean() > 0.85
    assert (turned * clean).sum(axis=1).mean() < 0.5
    assert (Ridge.fit(turned, clean, 0.01)(turned) * clean).sum(axis=1).mean() > 0.85
