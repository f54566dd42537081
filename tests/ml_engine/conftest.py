"""Real weights, and photos aligned with them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ml_engine.detection import Detector, load_detector
from ml_engine.images import decode_image
from ml_engine.runtime.device import resolve_device
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
