"""How many threads a network runs on, and how many sizes of it are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_engine.runtime import litert
from ml_engine.runtime.litert import MAX_FREE_PX, LiteRtNetwork
from ml_engine.runtime.pauses import working


class _Interpreter:
    """Gives the number of its threads as its only output."""

    def __init__(self, path: str, num_threads: int) -> None:
        self._threads = num_threads

    def get_input_details(self) -> list[dict[str, Any]]:
        return [{"index": 0, "shape": ()}]

    def get_output_details(self) -> list[dict[str, Any]]:
        return [{"index": 1, "name": "Identity"}]

    def resize_tensor_input(self, index: int, shape: tuple[int, ...], strict: bool) -> None:
        self._input = np.zeros(shape, np.float32)

    def allocate_tensors(self) -> None:
        pass

    def tensor(self, index: int) -> Any:
        return lambda: self._input

    def invoke(self) -> None:
        pass

    def get_tensor(self, index: int) -> Any:
        return np.full(len(self._input), self._threads, np.float32)


@pytest.fixture(autouse=True)
def _fake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ai_edge_litert.interpreter.Interpreter", _Interpreter)
    monkeypatch.setattr(LiteRtNetwork, "file", lambda *_: Path("a.tflite"))


def _network(
    threads: int, *, is_free_size: bool = False, leaves_core: bool = True
) -> LiteRtNetwork:
    return LiteRtNetwork(
        lambda: None,
        name="any",
        weights_sha256="",
        cache_dir=Path(),
        batches=(1,),
        threads=threads,
        is_free_size=is_free_size,
        leaves_core=leaves_core,
    )


@pytest.mark.parametrize(("threads", "shared"), [(4, 3), (2, 1), (1, 1)])
def test_network_leaves_a_core_to_other_callers(threads: int, shared: int) -> None:
    network, pixels = _network(threads), np.zeros((1, 8, 8, 3), np.uint8)
    assert network.run(pixels)[0] == [threads]
    with working(is_shared=True):
        assert network.run(pixels)[0] == [shared]
    assert network.run(pixels)[0] == [threads]


def test_large_network_keeps_its_weights_once() -> None:
    network, pixels = _network(2, leaves_core=False), np.zeros((1, 8, 8, 3), np.uint8)
    network.prepare((8, 8, 3))
    with working(is_shared=True):
        assert network.run(pixels)[0] == [2]
    assert len(network._interpreters) == 1


def test_prepared_network_is_ready_for_both_numbers_of_threads() -> None:
    network = _network(2)
    network.prepare((8, 8, 3))
    assert sorted(network._interpreters) == [(1, 1, 8, 8, 3), (2, 1, 8, 8, 3)]


def test_sizes_are_kept_by_their_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many small ones, as of the parts that streams search, or a few large ones."""
    monkeypatch.setattr(litert, "give_back", lambda: None)
    network = _network(1, is_free_size=True)
    for width in range(100, 140):
        network.run(np.zeros((1, 100, width, 3), np.uint8))
    assert len(network._interpreters) == 40
    for width in range(500, 520):
        network.run(np.zeros((1, 600, width, 3), np.uint8))
    sizes = [shape[2] * shape[3] for shape in network._interpreters]
    assert sum(sizes) <= MAX_FREE_PX
    assert len(sizes) < 10
