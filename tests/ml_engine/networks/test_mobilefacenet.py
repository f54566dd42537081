"""Our network gives what the published file gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.conf import settings

from ml_engine.align import TEMPLATE_112, align_faces
from ml_engine.images import decode_image
from ml_engine.networks import mobilefacenet
from ml_engine.types import Float32, Image
from ml_engine.zoo import fetch

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def weights() -> Path:
    return fetch("mobilefacenet", settings.WEIGHTS_DIR)["MobileFaceNet.tflite"]


@pytest.fixture(scope="module")
def crops() -> Image:
    """Noise, and the middle of a face, (2, 112, 112, 3)."""
    noise = np.random.default_rng(0).integers(0, 256, (112, 112, 3)).astype(np.uint8)
    photo = decode_image(fetch("samples", settings.WEIGHTS_DIR)["obama.jpg"].read_bytes())
    middle = TEMPLATE_112[None] * 3 + 200
    return np.stack([noise, align_faces(photo, middle, TEMPLATE_112, 112)[0]])


@pytest.fixture(scope="module")
def published(weights: Path, crops: Image) -> Float32:
    """What the file's own interpreter says; it takes exactly two."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(weights))
    interpreter.allocate_tensors()
    pixels = (crops.astype(np.float32) - 127.5) / 128
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def test_mobilefacenet_in_keras_agrees_with_the_published_network(
    weights: Path, crops: Image, published: Float32
) -> None:
    ours = mobilefacenet.build(weights)(crops.astype(np.float32)).numpy()
    assert np.abs(published).max() > 1, "too small to compare"
    np.testing.assert_allclose(ours, published, atol=1e-4)


def test_mobilefacenet_in_a_keras_file_gives_the_same(
    weights: Path, crops: Image, tmp_path: Path
) -> None:
    import keras

    network = mobilefacenet.build(weights)
    network.save(tmp_path / "network.keras")
    found = keras.saving.load_model(tmp_path / "network.keras", compile=False, safe_mode=True)
    pixels = crops.astype(np.float32)
    np.testing.assert_array_equal(found(pixels), network(pixels))


def test_converted_mobilefacenet_agrees_in_every_batch_size(
    crops: Image, published: Float32, converted_mobilefacenet: tuple[Any, Path]
) -> None:
    network, folder = converted_mobilefacenet
    seven = crops[[0, 1, 0, 0, 1, 1, 0]]
    for rows in (1, 2, 3, 7):
        found = network.run(seven[:rows])[0]
        np.testing.assert_allclose(found, published[[0, 1, 0, 0, 1, 1, 0]][:rows], atol=1e-4)
    assert len(list(folder.iterdir())) == 1, "one conversion serves every batch"


def test_prelu_is_one_operation_in_the_converted_file(
    converted_mobilefacenet: tuple[Any, Path],
) -> None:
    from ai_edge_litert.interpreter import Interpreter

    (file,) = converted_mobilefacenet[1].iterdir()
    interpreter = Interpreter(str(file))
    interpreter.allocate_tensors()
    names = [operation["op_name"] for operation in interpreter._get_ops_details()]
    assert names.count("PRELU") == 33
    assert not {"RELU", "ABS", "MUL"} & set(names)
    assert names.count("SUB") == 1, "of the mean of pixels"
