"""Real weights, and photos aligned with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ml_engine.detection import Detector, load_detector
from ml_engine.images import decode_image
from ml_engine.runtime.device import resolve_device
from ml_engine.types import Image
from ml_engine.zoo import fetch


@pytest.fixture(scope="session")
def detector(weights_dir: Path) -> Detector:
    fetch("mtcnn", weights_dir)
    return load_detector("mtcnn", weights_dir, resolve_device("cpu"))


@pytest.fixture(scope="session")
def photo(sample_photo: Callable[[str], bytes]) -> Callable[[str], Image]:
    """A public-domain photo as an image."""
    return lambda name: decode_image(sample_photo(name))
