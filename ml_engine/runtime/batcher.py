"""Dynamic batches: calls of many threads become batches of one owner thread.

One thread owns the model, so nothing else needs a lock. The queue is bounded: a call that finds it
full is refused at once with EngineBusy, so that nobody waits for an answer that comes too late.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

from ml_engine.types import EngineBusy, EngineClosed

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(slots=True)
class BatcherStats:
    """Counters since the start; `queue_s` is the sum of what calls waited."""

    calls: int = 0
    batches: int = 0
    items: int = 0
    refused: int = 0
    queue_s: float = 0.0


@dataclass(slots=True)
class _Call(Generic[Item, Result]):
    items: Sequence[Item]
    key: object
    future: Future[list[Result]]
    queued_at: float


class DynamicBatcher(Generic[Item, Result]):
    """Args:

    work: called in the owner thread with items of one key, and the key; gives a result for each.
    max_batch: most items in one batch (a single larger call is a batch of its own).
    max_wait_ms: how long the first call of a batch waits for company.
    max_queue: most calls waiting.
    """

    def __init__(
        self,
        work: Callable[[list[Item], object], list[Result]],
        *,
        max_batch: int,
        max_wait_ms: float,
        max_queue: int,
        name: str,
    ) -> None:
        self._work = work
        self._max_batch = max_batch
        self._max_wait_s = max_wait_ms / 1000
        self._max_queue = max_queue
        self._queue: deque[_Call[Item, Result]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self.stats = BatcherStats()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def call(self, items: Sequence[Item], *, key: object = None) -> list[Result]:
        """Results of these items, in order. Items of different keys never share a batch.

        EngineBusy where the queue is full; EngineClosed where it was closed meanwhile.
        """
        if not items:
            return []
        call: _Call[Item, Result] = _Call(items, key, Future(), time.perf_counter())
        with self._changed:
            if self._closed:
                raise EngineClosed("The engine is closed.")
            if len(self._queue) >= self._max_queue:
                self.stats.refused += 1
                raise EngineBusy()
            self._queue.append(call)
            self._changed.notify()
        return call.future.result()

    def close(self) -> None:
        """Refuse new calls and those still waiting; finish the batch that runs."""
        with self._changed:
            self._closed = True
            waiting = list(self._queue)
            self._queue.clear()
            self._changed.notify_all()
        for call in waiting:
            call.future.set_exception(EngineClosed("The engine was closed."))
        if threading.current_thread() is not self._thread:
            self._thread.join()

    @property
    def waiting(self) -> int:
        """Calls in the queue now."""
        return len(self._queue)

    def _run(self) -> None:
        while batch := self._next_batch():
            self._answer(batch)

    def _next_batch(self) -> list[_Call[Item, Result]]:
        """Calls of one key that fit together; an empty list when closed."""
        with self._changed:
            while not self._queue and not self._closed:
                self._changed.wait()
            self._wait_for_company()
            if self._closed:
                return []
            key = self._queue[0].key
            batch: list[_Call[Item, Result]] = []
            size = 0
            for call in list(self._queue):
                fits = not batch or size + len(call.items) <= self._max_batch
                if call.key == key and fits:
                    batch.append(call)
                    size += len(call.items)
                    self._queue.remove(call)
            return batch

    def _wait_for_company(self) -> None:
        if not self._queue:
            return
        deadline = self._queue[0].queued_at + self._max_wait_s
        while not self._closed and sum(len(c.items) for c in self._queue) < self._max_batch:
            left = deadline - time.perf_counter()
            if left <= 0:
                return
            self._changed.wait(left)

    def _answer(self, batch: list[_Call[Item, Result]]) -> None:
        started = time.perf_counter()
        items = [item for call in batch for item in call.items]
        self.stats.batches += 1
        self.stats.calls += len(batch)
        self.stats.items += len(items)
        self.stats.queue_s += sum(started - call.queued_at for call in batch)
        try:
            results = self._work(items, batch[0].key)
        except BaseException as error:
            for call in batch:
                call.future.set_exception(error)
            return
        start = 0
        for call in batch:
            call.future.set_result(results[start : start + len(call.items)])
            start += len(call.items)
