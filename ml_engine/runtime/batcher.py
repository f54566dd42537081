"""Dynamic batches: calls of many threads become batches of one owner thread, or of a few.

With one owner thread, the model needs no lock. With several, it must be thread-safe, and what waits
is shared out among them. The queue is bounded and fair. A call that
finds it full is refused at once with EngineBusy, and a call whose deadline passes with
DeadlineExceeded, so that no caller waits for an answer that comes too late. A batch that runs is
broken off when the last of its deadlines has passed. One that runs for long lets much smaller calls
go first at each of its pauses (see `runtime.pauses`), but spends no more time on them than on
itself.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextvars import Context, copy_context
from dataclasses import asdict, dataclass, field
from typing import Generic, TypedDict, TypeVar, cast

from ml_engine.request import Timings
from ml_engine.runtime.fair_queue import FairQueue, Ticket
from ml_engine.runtime.pauses import working
from ml_engine.types import DeadlineExceeded, EngineBusy, EngineClosed

Item = TypeVar("Item")
Result = TypeVar("Result")
_ORDINARY = Ticket()
# A batch that has run for so long lets calls of at most this part of its work go first.
_LONG_S = 0.05
_MUCH_SMALLER = 0.25


@dataclass(slots=True)
class BatcherStats:
    """Counters since the start.

    refused: calls that found the queue full or gave way in it. expired: calls whose deadline
    passed before they were done. queue_s: sum of what calls waited; queue_max_s: the longest of it.
    work_s: sum of what batches took. batch_sizes: how often a batch had so many items.
    """

    calls: int = 0
    batches: int = 0
    items: int = 0
    refused: int = 0
    expired: int = 0
    queue_s: float = 0.0
    queue_max_s: float = 0.0
    work_s: float = 0.0
    batch_sizes: dict[int, int] = field(default_factory=dict)


class QueueStats(TypedDict):
    """BatcherStats as JSON, and how many calls wait."""

    calls: int
    batches: int
    items: int
    refused: int
    expired: int
    queue_s: float
    queue_max_s: float
    work_s: float
    batch_sizes: dict[int, int]
    waiting: int


@dataclass(slots=True, eq=False)
class _Call(Generic[Item, Result]):
    items: Sequence[Item]
    key: object
    ticket: Ticket
    future: Future[list[Result]]
    queued_at: float
    started_at: float = 0.0
    round: int = 0
    context: Context = field(default_factory=copy_context)


class DynamicBatcher(Generic[Item, Result]):
    """Args:

    work: called in the owner thread with items of one key, and the key; gives a result for each.
    max_batch: most items in one batch (a single larger call is a batch of its own).
    max_wait_ms: how long the first call of a batch waits for others.
    max_queue: most calls waiting.
    in_flight: the number of calls that may come here; a batch does not wait for more calls than
        that. None if it is unknown.
    size_of: how much work an item is, in any unit; all are alike by default.
    lanes: owner threads, each with a batch of its own.
    """

    def __init__(
        self,
        work: Callable[[list[Item], object], list[Result]],
        *,
        max_batch: int,
        max_wait_ms: float,
        max_queue: int,
        name: str,
        in_flight: Callable[[], int] | None = None,
        size_of: Callable[[Item], float] = lambda item: 1.0,
        lanes: int = 1,
    ) -> None:
        self._work = work
        self._size_of = size_of
        self._max_batch = max_batch
        self._max_wait_s = max_wait_ms / 1000
        self._name = name
        self._in_flight = in_flight
        self._queue: FairQueue[_Call[Item, Result]] = FairQueue(max_queue)
        self._changed = threading.Condition()
        self._closed = False
        self.stats = BatcherStats()
        self._lanes = [
            threading.Thread(target=self._run, name=f"engine-{name}-{lane}", daemon=True)
            for lane in range(1, lanes + 1)
        ]
        for lane in self._lanes:
            lane.start()

    def call(
        self,
        items: Sequence[Item],
        *,
        key: object = None,
        ticket: Ticket = _ORDINARY,
        timings: Timings | None = None,
    ) -> list[Result]:
        """Results of these items, in order. Items of different keys never share a batch.

        timings: receives `queue`, the wait for the batch, and the batch itself under the
            batcher's name.

        Raises:
            EngineBusy: the queue is full, or became so and others had the better right.
            DeadlineExceeded: the ticket expired before the call was done.
            EngineClosed: closed before that.
        """
        if not items:
            return []
        call: _Call[Item, Result] = _Call(items, key, ticket, Future(), time.perf_counter())
        self._enter(call)
        results = self._await(call)
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
            waiting = self._queue.clear()
            self._changed.notify_all()
        for call in waiting:
            call.future.set_exception(EngineClosed("The engine was closed."))
        for lane in self._lanes:
            if lane is not threading.current_thread():
                lane.join()

    @property
    def waiting(self) -> int:
        """Calls in the queue now."""
        return len(self._queue)

    def snapshot(self) -> QueueStats:
        """The counters and how many calls wait, all of one moment."""
        with self._changed:
            return cast("QueueStats", {**asdict(self.stats), "waiting": len(self._queue)})

    def _enter(self, call: _Call[Item, Result]) -> None:
        with self._changed:
            if self._closed:
                raise EngineClosed("The engine is closed.")
            refused = self._queue.push(call)
            self.stats.refused += refused is not None
            self._changed.notify_all()
        if refused is not None:
            # The caller that is refused may be another one, whose thread waits for its future.
            refused.future.set_exception(EngineBusy())

    def _await(self, call: _Call[Item, Result]) -> list[Result]:
        if call.ticket.expires_at == math.inf:
            return call.future.result()
        try:
            return call.future.result(max(0.0, call.ticket.expires_at - time.perf_counter()))
        except FutureTimeout:
            with self._changed:
                self._expire(call)
            if not call.future.done():
                # It is worked on, perhaps for others as well, who have more time.
                self.stats.expired += 1
                raise DeadlineExceeded from None
        return call.future.result()

    def _expire(self, call: _Call[Item, Result]) -> None:
        if self._queue.remove(call):
            self.stats.expired += 1
            call.future.set_exception(DeadlineExceeded())

    def _run(self) -> None:
        while (batch := self._next_batch()) is not None:
            if batch:
                self._answer(batch)
            # Free the pictures of the last batch while no call comes.
            del batch

    def _next_batch(self) -> list[_Call[Item, Result]] | None:
        """Calls of one key that fit together, perhaps none; None when closed."""
        with self._changed:
            while not self._queue and not self._closed:
                self._changed.wait()
            self._wait_for_company()
            if self._closed:
                return None
            return self._take_batch(math.inf)

    def _wait_for_company(self) -> None:
        if not self._queue:
            return
        deadline = min(call.queued_at for call in self._queue) + self._max_wait_s
        while self._more_may_come():
            left = deadline - time.perf_counter()
            if left <= 0:
                return
            self._changed.wait(left)

    def _more_may_come(self) -> bool:
        if self._closed or self._items_waiting() >= self._max_batch:
            return False
        return self._in_flight is None or len(self._queue) < self._in_flight()

    def _take_batch(self, largest: float) -> list[_Call[Item, Result]]:
        """The next calls that are a batch; none that is more work than `largest`."""
        now = time.perf_counter()
        batch: list[_Call[Item, Result]] = []
        most = min(self._max_batch, math.ceil(self._items_waiting() / len(self._lanes)))
        size = 0
        for call in self._queue.in_turn(now):
            if call.ticket.expires_at <= now:
                self._expire(call)
                continue
            if self._size(call) > largest:
                continue
            fits = not batch or size + len(call.items) <= most
            if fits and (not batch or call.key == batch[0].key):
                batch.append(call)
                size += len(call.items)
        self._queue.take(batch, now)
        return batch

    def _items_waiting(self) -> int:
        return sum(len(call.items) for call in self._queue)

    def _answer(self, batch: list[_Call[Item, Result]]) -> None:
        started = time.perf_counter()
        for call in batch:
            call.started_at = started
        try:
            until = max(call.ticket.expires_at for call in batch)
            give_way = self._way_for_others(batch, started)
            is_shared = self._in_flight is not None and self._in_flight() > len(batch)
            with working(until=until, give_way=give_way, is_shared=is_shared):
                items = [item for call in batch for item in call.items]
                # A call alone works in the context of its caller: the log can tell for whom.
                context = batch[0].context if len(batch) == 1 else Context()
                results = context.run(self._results, items, batch[0].key)
        except BaseException as error:
            self._answer_failure(batch, error)
            return
        self._count(batch, started)
        start = 0
        for call in batch:
            call.future.set_result(results[start : start + len(call.items)])
            start += len(call.items)

    def _size(self, call: _Call[Item, Result]) -> float:
        return sum(map(self._size_of, call.items))

    def _way_for_others(
        self, batch: list[_Call[Item, Result]], started: float
    ) -> Callable[[], None]:
        """For a pause of this batch. What goes first itself lets nobody go first: being smaller,
        it is not long."""
        largest = sum(map(self._size, batch)) * _MUCH_SMALLER
        next_at = started + _LONG_S

        def give_way() -> None:
            nonlocal next_at
            began = time.perf_counter()
            if began < next_at:
                return
            with self._changed:
                others = [] if self._closed else self._take_batch(largest)
            if others:
                self._answer(others)
                # As much time for this batch before the next ones.
                next_at = time.perf_counter() + (time.perf_counter() - began)

        return give_way

    def _results(self, items: list[Item], key: object) -> list[Result]:
        results = self._work(items, key)
        if len(results) != len(items):
            raise RuntimeError(f"{self._name}: {len(results)} results for {len(items)} items")
        return results

    def _answer_failure(self, batch: list[_Call[Item, Result]], error: BaseException) -> None:
        """Only the call that caused a failure gets it: each call of the batch is tried alone."""
        if len(batch) == 1:
            batch[0].future.set_exception(error)
            return
        for call in batch:
            self._answer([call])

    def _count(self, batch: list[_Call[Item, Result]], started: float) -> None:
        waits = [started - call.queued_at for call in batch]
        size = sum(len(call.items) for call in batch)
        with self._changed:
            stats = self.stats
            stats.batches += 1
            stats.calls += len(batch)
            stats.items += size
            stats.queue_s += sum(waits)
            stats.queue_max_s = max(stats.queue_max_s, *waits)
            stats.work_s += time.perf_counter() - started
            stats.batch_sizes[size] = stats.batch_sizes.get(size, 0) + 1
