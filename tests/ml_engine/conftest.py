"""Real weights, and photos aligned with them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ml_engine.detection import Detector, load_detector
from ml_engine.images import decode_image
from ml_engine.networks import mobilefacenet
from ml_engine.runtime.device import ResolvedDevice, resolve_device
from ml_engine.types import Image
from ml_engine.zoo import ARTEFACTS, fetch


@pytest.fixture(scope="session")
def detector(weights_dir: Path) -> Detector:
    fetch("mtcnn", weights_dir)
    return load_detector("mtcnn", weights_dir, resolve_device("cpu"))


@pytest.fixture(scope="session")
def yunet_dir(data_dir: Path, weights_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the weights of every detector and of MobileFaceNet, and what was converted of
    them; YuNet's come from the evaluation data."""
    folder = tmp_path_factory.mktemp("weights")
    (folder / "converted").mkdir()
    (member,) = ARTEFACTS["yunet"].members
    shutil.copy(data_dir / "models" / member, folder / ARTEFACTS["yunet"].file_names()[member])
    for name in ("mtcnn", "mobilefacenet"):
        fetch(name, weights_dir)
        for part in (".", "converted"):
            for path in (weights_dir / part).glob(f"{name}[-_]*"):
                shutil.copy(path, folder / part)
    return folder


@pytest.fixture(scope="session")
def photo(sample_photo: Callable[[str], bytes]) -> Callable[[str], Image]:
    """A public-domain photo as an image."""
    return lambda name: decode_image(sample_photo(name))


@pytest.fixture(scope="session")
def converted_mobilefacenet(
    weights_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Any, Path]:
    """MobileFaceNet on LiteRT, and the folder of its file. Its conversion takes ten seconds."""
    folder = tmp_path_factory.mktemp("converted")
    device = ResolvedDevice("cpu", "cpu", 1)
    file = fetch("mobilefacenet", weights_dir)["MobileFaceNet.tflite"]
    network = device.network(
        lambda: mobilefacenet.build(file),
        name="mobilefacenet",
        weights_sha256="test",
        cache_dir=folder,
        batches=device.batches,
    )
    network.prepare((112, 112, 3))
    return network, folder
