"""What was freed is had back."""

from __future__ import annotations

import sys

import numpy as np
import psutil
import pytest

from ml_engine.detection import Detector
from ml_engine.request import Wanted
from ml_engine.runtime import litert
from ml_engine.runtime.allocator import give_back


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system's own ways hold")
def test_free_memory_is_returned_even_below_memory_in_use() -> None:
    process = psutil.Process()
    # Each too small to lie apart from the heap; 80 MB in all.
    blocks = [np.ones(80_000, np.uint8) for _ in range(1000)]
    kept = blocks[-1]
    del blocks
    held = process.memory_info().rss
    give_back()
    assert held - process.memory_info().rss > 60e6
    assert kept.all()


@pytest.mark.weights
def test_network_returns_memory_of_earlier_batch_sizes(
    detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_back: list[int] = []
    monkeypatch.setattr(litert, "give_back", lambda: given_back.append(1))
    monkeypatch.setattr(litert, "MAX_FREE_PX", 100_000)
    for side in range(100, 1000, 100):
        detector.detect([np.zeros((side, side, 3), np.uint8)], Wanted(min_face_px=40))
    assert given_back
