"""Batchers for tests, and work that a test holds up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from ml_engine.runtime.batcher import DynamicBatcher

WAIT_S = 20


class Work:
    """Doubles its items; can be held, so that a queue builds up behind the first batch."""

    def __init__(self) -> None:
        self.batches: list[tuple[list[Any], object]] = []
        self.started = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self, items: list[Any], key: object) -> list[Any]:
        self.batches.append((items, key))
        self.started.set()
        assert self.go_on.wait(WAIT_S)
        if "bad" in items:
            raise ValueError("a bad item")
        return [2 * item for item in items]

    def hold(self) -> None:
        self.go_on.clear()
        self.started.clear()


@contextmanager
def batcher_of(work: Callable[..., Any], **options: Any) -> Iterator[DynamicBatcher[Any, Any]]:
    defaults: dict[str, Any] = {"max_batch": 8, "max_wait_ms": 0, "max_queue": 100, "name": "test"}
    batcher: DynamicBatcher[Any, Any] = DynamicBatcher(work, **defaults | options)
    try:
        yield batcher
    finally:
        if isinstance(work, Work):
            work.go_on.set()
        batcher.close()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.001)


@contextmanager
def held(batcher: DynamicBatcher[Any, Any], work: Work) -> Iterator[ThreadPoolExecutor]:
    """One call runs and is held; what is submitted to the pool meanwhile has to queue."""
    work.hold()
    with ThreadPoolExecutor(64) as pool:
        first = pool.submit(batcher.call, [0])
        assert work.started.wait(WAIT_S)
        try:
            yield pool
        finally:
            work.go_on.set()
        assert first.result(WAIT_S) == [0]
