"""How many threads a network runs on, and how many sizes of it are kept."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
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
        return [{"index": 0, "shape": (1, 1, 1, 3)}]

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


def _network(threads: int, *, is_free_size: bool = False, lanes: int = 2) -> LiteRtNetwork:
    return LiteRtNetwork(
        lambda: None,
        name="any",
        weights_sha256="",
        cache_dir=Path(),
        batches=(1,),
        threads=threads,
        is_free_size=is_free_size,
        lanes=lanes,
    )


@pytest.mark.parametrize(("threads", "shared"), [(4, 2), (2, 1), (1, 1)])
def test_network_takes_its_part_of_the_cores_beside_others(threads: int, shared: int) -> None:
    network, pixels = _network(threads), np.zeros((1, 8, 8, 3), np.uint8)
    assert network.run(pixels)[0] == [threads]
    with working(is_shared=True):
        assert network.run(pixels)[0] == [shared]
    assert network.run(pixels)[0] == [threads]


def test_large_network_keeps_its_weights_once() -> None:
    network, pixels = _network(2, lanes=1), np.zeros((1, 8, 8, 3), np.uint8)
    network.prepare((8, 8, 3))
    with working(is_shared=True):
        assert network.run(pixels)[0] == [2]
    assert len(network._ready) == 1


def test_prepared_network_is_ready_for_both_numbers_of_threads() -> None:
    network = _network(2)
    network.prepare((8, 8, 3))
    ready = sorted((ready.threads, ready.shape) for ready in network._ready)
    assert ready == [(1, (1, 8, 8, 3)), (2, (1, 8, 8, 3))]


def test_calls_that_run_at_once_have_an_interpreter_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each waits within its call until the other one is within its own."""
    both = threading.Barrier(2)
    monkeypatch.setattr(_Interpreter, "invoke", lambda _: both.wait(20))
    network = _network(2)
    with ThreadPoolExecutor(2) as pool:
        runs = [
            pool.submit(network.run, np.full((1, 8, 8, 3), value, np.uint8)) for value in (1, 2)
        ]
    assert [run.result()[0] for run in runs] == [[2], [2]]
    first, second = network._ready
    assert first.interpreter is not second.interpreter
    monkeypatch.setattr(_Interpreter, "invoke", lambda _: None)
    network.run(np.zeros((1, 8, 8, 3), np.uint8))
    assert network._ready == [first, second], "one caller keeps to one, and the other grows old"


def test_sizes_are_kept_by_their_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many small ones, as of the parts that streams search, or a few large ones."""
    monkeypatch.setattr(litert, "give_back", lambda: None)
    network = _network(1, is_free_size=True)
    for width in range(100, 140):
        network.run(np.zeros((1, 100, width, 3), np.uint8))
    assert len(network._ready) == 40
    for width in range(500, 520):
        network.run(np.zeros((1, 600, width, 3), np.uint8))
    sizes = [ready.shape[1] * ready.shape[2] for ready in network._ready]
    assert sum(sizes) <= MAX_FREE_PX
    assert len(sizes) < 10
