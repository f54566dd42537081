"""FaceNet's weights without their network load into our own Inception-ResNet-v1."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ml_engine.formats import keras_graphs
from ml_engine.formats.convert import convert
from ml_engine.formats.files import ModelFile
from ml_engine.formats.keras_graphs import WEIGHT_NETWORKS, weights_graph
from ml_engine.formats.wish import Wish
from ml_engine.types import ModelRefused
from ml_engine.zoo.own import file_network

pytestmark = pytest.mark.tensorflow
NETWORK = "inception_resnet_v1"
NAME, DESIGNS = WEIGHT_NETWORKS[NETWORK][0], "ml_engine.networks.design"
SIZE, DIMENSION = 32, 16


def test_weights_of_an_unknown_network_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match=f"there is {NETWORK}"):
        weights_graph(ModelFile(tmp_path / "x.h5", "keras_h5"), Wish(network="other"))


def test_weights_file_without_a_network_says_to_name_one(tmp_path: Path) -> None:
    import h5py

    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["layer/kernel"] = np.zeros(3)
    with pytest.raises(ModelRefused, match="name the network"):
        convert(ModelFile(tmp_path / "x.h5", "keras_h5"), Wish())


def test_weights_file_is_taken_into_the_network_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a small network in the place of the large one."""
    import h5py

    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["Bottleneck/Bottleneck/kernel:0"] = np.full((3, DIMENSION), 2, np.float32)
    monkeypatch.setattr(keras_graphs, "import_module", {NAME: _Small, DESIGNS: _Small}.get)
    file = ModelFile(tmp_path / "x.h5", "keras_h5")
    made = convert(file, Wish(network=NETWORK, size=SIZE))
    assert (made.ends.size, made.ends.channels, made.batch) == (SIZE, 3, 0)
    (tmp_path / "made.tflite").write_bytes(made.network)
    faces = np.ones((2, SIZE, SIZE, 3), np.float32)
    (found,) = file_network("litert", tmp_path / "made.tflite", threads=1).run(faces)
    np.testing.assert_allclose(found, np.full((2, DIMENSION), 6), rtol=1e-5)


class _Small:
    """Stands for the modules of the network and of designs."""

    Design = SimpleNamespace

    @staticmethod
    def build(design: Any) -> Any:
        import keras

        pixels = keras.Input((design.size, design.size, design.channels))
        pooled = keras.layers.GlobalAveragePooling2D()(pixels)
        last = keras.layers.Dense(design.dimension, use_bias=False, name="Bottleneck")
        return keras.Model(pixels, last(pooled))

    @staticmethod
    def load_h5(network: Any, path: Path) -> None:
        import h5py

        with h5py.File(path) as file:
            kernel = file["Bottleneck/Bottleneck/kernel:0"][:]
        network.get_layer("Bottleneck").set_weights([kernel])
