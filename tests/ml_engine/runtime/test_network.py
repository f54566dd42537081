"""A batch of any size is served by the sizes that are ready."""

from __future__ import annotations

import time

import numpy as np
import pytest

from ml_engine.runtime.network import Batch, parts_of, run_in_parts
from ml_engine.runtime.pauses import working
from ml_engine.types import DeadlineExceeded


@pytest.mark.parametrize(
    ("rows", "parts"),
    [(1, (1,)), (2, (2,)), (3, (2, 1)), (5, (4, 1)), (7, (4, 2, 1)), (8, (8,)), (19, (8, 8, 2, 1))],
)
def test_batches_are_not_padded_if_a_call_is_cheap(rows: int, parts: tuple[int, ...]) -> None:
    assert parts_of(rows, (1, 2, 4, 8), 0.3) == parts


@pytest.mark.parametrize(
    ("rows", "parts"), [(1, (1,)), (2, (8,)), (9, (8, 1)), (12, (32,)), (33, (32, 1))]
)
def test_batches_are_padded_if_a_call_is_expensive(rows: int, parts: tuple[int, ...]) -> None:
    assert parts_of(rows, (1, 8, 32), 16.0) == parts


def test_batch_below_the_smallest_size_is_padded() -> None:
    assert parts_of(2, (4, 8), 0.3) == (4,)


def test_batch_of_very_many_rows_is_divided() -> None:
    assert parts_of(8 * 5000 + 3, (1, 2, 4, 8), 0.3) == (*[8] * 5000, 2, 1)


@pytest.mark.parametrize("rows", [1, 3, 6, 21])
def test_network_rows_come_in_order_without_padding(rows: int) -> None:
    batch = np.arange(rows, dtype=np.float32).reshape(rows, 1, 1, 1)
    sizes = []

    def run_padded(part: Batch, size: int) -> list[np.ndarray]:
        sizes.append(size)
        padded = np.full((size, 1), -1, np.float32)
        padded[: len(part)] = part.reshape(-1, 1)
        return [padded, 2 * padded]

    once, twice = run_in_parts(batch, (2, 8), 0.3, run_padded)
    assert once.ravel().tolist() == list(range(rows))
    assert twice.ravel().tolist() == list(range(0, 2 * rows, 2))
    assert all(size in (2, 8) for size in sizes)


def test_parts_that_would_come_too_late_are_not_run() -> None:
    sizes = []

    def run_padded(part: Batch, size: int) -> list[np.ndarray]:
        sizes.append(size)
        time.sleep(0.05)
        return [np.zeros((size, 1), np.float32)]

    with working(until=time.perf_counter() + 0.02), pytest.raises(DeadlineExceeded):
        run_in_parts(np.zeros((9, 1, 1, 1), np.float32), (1,), 0.3, run_padded)
    assert sizes == [1]
