"""Our three networks give what the package's give, with the same weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.peers import run_peer
from ml_engine.networks import mtcnn
from ml_engine.types import Float32, Image
from ml_engine.zoo import fetch

pytestmark = [pytest.mark.weights, pytest.mark.peers]

SCRIPT = Path(__file__).parent.parent / "peers" / "mtcnn_networks.py"
BUILDERS = {"pnet": mtcnn.build_pnet, "rnet": mtcnn.build_rnet, "onet": mtcnn.build_onet}


def _patches(image: Image, size: int, count: int) -> NDArray[np.uint8]:
    """Parts of a photo, so that the inputs look like what a network sees."""
    random = np.random.default_rng(size)
    rows = random.integers(0, image.shape[0] - size, count)
    columns = random.integers(0, image.shape[1] - size, count)
    return np.stack([image[r : r + size, c : c + size] for r, c in zip(rows, columns, strict=True)])


@pytest.fixture(scope="module")
def pixels(photo: Callable[[str], Image]) -> dict[str, NDArray[np.uint8]]:
    image = photo("obama")
    return {
        # Neither side even, so that the pooling at its border counts.
        "pnet": np.stack([image[300:397, 200:331], image[100:197, 400:531]]),
        "rnet": _patches(image, mtcnn.RNET_SIZE, 9),
        "onet": _patches(image, mtcnn.ONET_SIZE, 9),
    }


@pytest.fixture(scope="module")
def theirs(
    pixels: dict[str, NDArray[np.uint8]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Float32]:
    folder = tmp_path_factory.mktemp("mtcnn")
    pnet, rnet, onet = (mtcnn.preprocess(pixels[name]) for name in BUILDERS)
    np.savez(folder / "in.npz", pnet=pnet, rnet=rnet, onet=onet)
    run_peer("mtcnn", SCRIPT, folder / "in.npz", folder / "out.npz")
    return dict(np.load(folder / "out.npz"))


@pytest.mark.parametrize("takes_pixels", [False, True])
@pytest.mark.parametrize("name", BUILDERS)
def test_mtcnn_networks_agree_with_the_published_ones(
    name: str,
    takes_pixels: bool,
    pixels: dict[str, NDArray[np.uint8]],
    theirs: dict[str, Float32],
    weights_dir: Path,
) -> None:
    weights = fetch("mtcnn", weights_dir)[f"{name}.lz4"]
    model = BUILDERS[name](weights, takes_pixels=takes_pixels)
    given = pixels[name].astype(np.float32) if takes_pixels else mtcnn.preprocess(pixels[name])
    ours = _with_softmax(model(given)) if name == "pnet" else model(given)
    expected = [theirs[key] for key in sorted(theirs) if key.startswith(name)]
    assert len(ours) == len(expected)
    for mine, other in zip(ours, expected, strict=True):
        assert other.std() > 1e-3, "nothing to compare"
        np.testing.assert_allclose(np.asarray(mine), other, atol=1e-4)


def _with_softmax(cells: Any) -> tuple[Float32, Float32]:
    """P-Net's cells as the package gives them: offsets, and shares of not a face and a face."""
    values = np.asarray(cells)
    face = 1 / (1 + np.exp(-values[..., 4:]))
    return values[..., :4], np.concatenate([1 - face, face], axis=-1)
