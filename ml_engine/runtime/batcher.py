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
# Milliseconds by stage, added to what is there already.
Timings = dict[str, float]


@dataclass(slots=True)
class BatcherStats:
    """Counters since the start; `queue_s` is the sum of what calls waited, `work_s` of batches."""

    calls: int = 0
    batches: int = 0
    items: int = 0
    refused: int = 0
    queue_s: float = 0.0
    work_s: float = 0.0


@dataclass(slots=True)
class _Call(Generic[Item, Result]):
    items: Sequence[Item]
    key: object
    future: Future[list[Result]]
    queued_at: float
    started_at: float = 0.0


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
        self._name = name
        self._queue: deque[_Call[Item, Result]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self.stats = BatcherStats()
        self._thread = threading.Thread(target=self._run, name=f"engine-{name}", daemon=True)
        self._thread.start()

    def call(
        self, items: Sequence[Item], *, key: object = None, timings: Timings | None = None
    ) -> list[Result]:
        """Results of these items, in order. Items of different keys never share a batch.

        timings: receives `queue`, the wait for the batch, and the batch itself under the
            batcher's name. EngineBusy where the queue is full; EngineClosed where it was closed.
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
            self._changed.notify_all()
        results = call.future.result()
        if timings is not None:
            waited_ms = (call.started_at - call.queued_at) * 1000
            worked_ms = (time.perf_counter() - call.started_at) * 1000
            timings["queue"] = timings.get("queue", 0.0) + waited_ms
            timings[self._name] = timings.get(self._name, 0.0) + worked_ms
        return results

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
            # The last batch's pictures must not live on while nothing comes.
            del batch

    def _next_batch(self) -> list[_Call[Item, Result]]:
        """Calls of the first one's key that fit together; an empty list when closed."""
        with self._changed:
            while not self._queue and not self._closed:
                self._changed.wait()
            self._wait_for_company()
            if self._closed:
                return []
            return self._take_batch()

    def _wait_for_company(self) -> None:
        if not self._queue:
            return
        deadline = self._queue[0].queued_at + self._max_wait_s
        while not self._closed and sum(len(c.items) for c in self._queue) < self._max_batch:
            left = deadline - time.perf_counter()
            if left <= 0:
                return
            self._changed.wait(left)

    def _take_batch(self) -> list[_Call[Item, Result]]:
        key = self._queue[0].key
        batch: list[_Call[Item, Result]] = []
        others: list[_Call[Item, Result]] = []
        size = 0
        for call in self._queue:
            fits = call.key == key and (not batch or size + len(call.items) <= self._max_batch)
            (batch if fits else others).append(call)
            size += len(call.items) if fits else 0
        self._queue.clear()
        self._queue.extend(others)
        return batch

    def _answer(self, batch: list[_Call[Item, Result]]) -> None:
        started = time.perf_counter()
        for call in batch:
            call.started_at = started
        try:
            results = self._results([item for call in batch for item in call.items], batch[0].key)
        except BaseException as error:
            self._answer_failure(batch, error)
            return
        self._count(batch, started)
        start = 0
        for call in batch:
            call.future.set_result(results[start : start + len(call.items)])
            start += len(call.items)

    def _results(self, items: list[Item], key: object) -> list[Result]:
        results = self._work(items, key)
        if len(results) != len(items):
            raise RuntimeError(f"{self._name}: {len(results)} results for {len(items)} items")
        return results

    def _answer_failure(self, batch: list[_Call[Item, Result]], error: BaseException) -> None:
        """A failure is the business of the call that caused it: the others are tried alone."""
        if len(batch) == 1:
            batch[0].future.set_exception(error)
            return
        for call in batch:
            self._answer([call])

    def _count(self, batch: list[_Call[Item, Result]], started: float) -> None:
        self.stats.batches += 1
        self.stats.calls += len(batch)
        self.stats.items += sum(len(call.items) for call in batch)
        self.stats.queue_s += sum(started - call.queued_at for call in batch)
        self.stats.work_s += time.perf_counter() - started
