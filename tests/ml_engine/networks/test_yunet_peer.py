"""The rebuilt YuNet against its own file, run by onnxruntime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ml_engine.detection.yunet import load_network
from ml_engine.networks.yunet import EDGE_PX, STRIDES
from ml_engine.runtime.device import resolve_device
from ml_engine.zoo import ARTEFACTS, ensure

pytestmark = pytest.mark.data


def test_yunet_equals_its_file_at_every_stride(yunet_dir: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pixels = np.random.default_rng(0).integers(0, 256, (96, 160, 3)).astype(np.uint8)
    with_edge = np.pad(pixels, ((EDGE_PX, 0), (EDGE_PX, 0), (0, 0)))
    maps = load_network(yunet_dir, resolve_device("cpu")).run(with_edge[None])
    (member,) = ARTEFACTS["yunet"].members
    session = onnxruntime.InferenceSession(str(ensure("yunet", yunet_dir)[member]))
    bgr = pixels[None, :, :, ::-1].transpose(0, 3, 1, 2).astype(np.float32)
    names = [output.name for output in session.get_outputs()]
    wanted = dict(zip(names, session.run(None, {"input": bgr}), strict=True))
    for stride, found in zip(STRIDES, maps, strict=True):
        cells = found.reshape(-1, 16)
        scores = 1 / (1 + np.exp(-cells[:, :2]))
        np.testing.assert_allclose(scores[:, :1], wanted[f"cls_{stride}"][0], atol=1e-4)
        np.testing.assert_allclose(scores[:, 1:], wanted[f"obj_{stride}"][0], atol=1e-4)
        np.testing.assert_allclose(cells[:, 2:6], wanted[f"bbox_{stride}"][0], atol=1e-3)
        np.testing.assert_allclose(cells[:, 6:], wanted[f"kps_{stride}"][0], atol=1e-3)
