"""Our network gives what dlib itself gives, with the same file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.peers import run_peer
from ml_engine.align import TEMPLATE_150, align_faces
from ml_engine.detection import Detector
from ml_engine.networks import dlib_resnet
from ml_engine.request import Wanted
from ml_engine.runtime.device import resolve_device
from ml_engine.types import Float32, Image
from ml_engine.zoo import fetch

pytestmark = [pytest.mark.weights, pytest.mark.peers]

SCRIPT = Path(__file__).parent.parent / "peers" / "dlib_descriptors.py"


@pytest.fixture(scope="module")
def weights(weights_dir: Path) -> Path:
    return fetch("dlib_resnet", weights_dir)["dlib_face_recognition_resnet_model_v1.dat"]


@pytest.fixture(scope="module")
def crops(detector: Detector, photo: Callable[[str], Image]) -> NDArray[np.uint8]:
    """Two faces and noise, (3, 150, 150, 3)."""
    parts = [np.random.default_rng(0).integers(0, 256, (1, 150, 150, 3)).astype(np.uint8)]
    for name in ("obama", "biden"):
        image = photo(name)
        (face,) = detector.detect([image], Wanted(max_faces=1))[0]
        parts.append(align_faces(image, face.landmarks[None], TEMPLATE_150, 150))
    return np.concatenate(parts)


@pytest.fixture(scope="module")
def theirs(
    weights: Path, crops: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory
) -> Float32:
    folder = tmp_path_factory.mktemp("dlib")
    np.savez(folder / "in.npz", crops=crops)
    run_peer("dlib", SCRIPT, weights, folder / "in.npz", folder / "out.npz")
    return np.load(folder / "out.npz")["descriptors"]


def test_dlib_resnet_in_keras_agrees_with_dlib(
    weights: Path, crops: NDArray[np.uint8], theirs: Float32
) -> None:
    ours = np.asarray(dlib_resnet.build(weights)(crops.astype(np.float32)))
    assert np.linalg.norm(theirs[0] - theirs[1]) > 0.3, "the faces must differ"
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_converted_dlib_resnet_agrees_with_dlib(
    weights: Path, crops: NDArray[np.uint8], theirs: Float32, tmp_path: Path
) -> None:
    network = resolve_device("cpu").network(
        lambda: dlib_resnet.build(weights),
        name="dlib_resnet",
        weights_sha256="test",
        cache_dir=tmp_path,
        batches=(1, 2),
    )
    np.testing.assert_allclose(network.run(crops)[0], theirs, atol=1e-4)
