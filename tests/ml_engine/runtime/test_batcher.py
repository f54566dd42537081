"""Dynamic batches: they form, they are bounded, they spoil nobody, they drain."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import pytest

from ml_engine.request import Ask
from ml_engine.runtime.batcher import DynamicBatcher
from ml_engine.runtime.fair_queue import Ticket
from ml_engine.runtime.pauses import is_shared, pause, working
from ml_engine.types import DeadlineExceeded, EngineBusy, EngineClosed

WAIT_S = 20


class _Work:
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
def _batcher(work: Callable[..., Any], **options: Any) -> Iterator[DynamicBatcher[Any, Any]]:
    defaults: dict[str, Any] = {"max_batch": 8, "max_wait_ms": 0, "max_queue": 100, "name": "test"}
    batcher: DynamicBatcher[Any, Any] = DynamicBatcher(work, **defaults | options)
    try:
        yield batcher
    finally:
        if isinstance(work, _Work):
            work.go_on.set()
        batcher.close()


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.001)


@contextmanager
def _held(batcher: DynamicBatcher[Any, Any], work: _Work) -> Iterator[ThreadPoolExecutor]:
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


def test_batcher_returns_results_in_order() -> None:
    with _batcher(_Work()) as batcher:
        assert batcher.call([1, 2, 3]) == [2, 4, 6]
        assert batcher.call([]) == []


def test_calls_that_wait_become_one_batch() -> None:
    work = _Work()
    with _batcher(work, max_batch=8) as batcher:
        with _held(batcher, work) as pool:
            calls = [pool.submit(batcher.call, [n, n + 100]) for n in range(1, 4)]
            _until(lambda: batcher.waiting == 3)
        assert [call.result(WAIT_S) for call in calls] == [[2 * n, 2 * n + 200] for n in (1, 2, 3)]
    assert [len(items) for items, _ in work.batches] == [1, 6]
    assert batcher.stats.batches == 2
    assert batcher.stats.calls == 4
    assert batcher.stats.items == 7
    assert batcher.stats.queue_s > 0
    assert batcher.stats.batch_sizes == {1: 1, 6: 1}
    assert batcher.snapshot()["waiting"] == 0


def test_a_batch_is_no_larger_than_allowed_and_a_larger_call_stands_alone() -> None:
    work = _Work()
    with _batcher(work, max_batch=4) as batcher:
        with _held(batcher, work) as pool:
            calls = [pool.submit(batcher.call, [n] * size) for n, size in ((1, 3), (2, 3), (3, 9))]
            _until(lambda: batcher.waiting == 3)
        assert sorted(len(call.result(WAIT_S)) for call in calls) == [3, 3, 9]
    assert sorted(len(items) for items, _ in work.batches) == [1, 3, 3, 9]


def test_keys_never_share_a_batch() -> None:
    work = _Work()
    with _batcher(work) as batcher:
        with _held(batcher, work) as pool:
            calls = [pool.submit(batcher.call, [n], key="ab"[n % 2]) for n in range(6)]
            _until(lambda: batcher.waiting == 6)
        assert [call.result(WAIT_S) for call in calls] == [[2 * n] for n in range(6)]
    for items, key in work.batches[1:]:
        assert {"ab"[n % 2] for n in items} == {key}
    assert len(work.batches) == 3


def test_first_call_waits_a_little_for_others() -> None:
    work = _Work()
    with (
        _batcher(work, max_batch=2, max_wait_ms=1000 * WAIT_S) as batcher,
        ThreadPoolExecutor(2) as pool,
    ):
        # Neither is answered before the other came; together they fill the batch.
        calls = [pool.submit(batcher.call, [n]) for n in (1, 2)]
        assert [call.result(WAIT_S / 2) for call in calls] == [[2], [4]]
    assert [len(items) for items, _ in work.batches] == [2]


def test_call_does_not_wait_if_no_other_can_come() -> None:
    work = _Work()
    with (
        _batcher(work, max_batch=8, max_wait_ms=1000 * WAIT_S, in_flight=lambda: 1) as batcher,
        ThreadPoolExecutor(1) as pool,
    ):
        assert pool.submit(batcher.call, [1]).result(WAIT_S / 2) == [2]


def test_interactive_calls_overtake_bulk_ones() -> None:
    work = _Work()
    with _batcher(work, max_batch=1) as batcher:
        with _held(batcher, work) as pool:
            calls = []
            for number, priority in enumerate(["bulk", "bulk", "interactive"], start=1):
                ticket = Ticket(priority)  # type: ignore[arg-type]
                calls.append(pool.submit(batcher.call, [number], ticket=ticket))
                _until(lambda: batcher.waiting == len(calls))
        for call in calls:
            call.result(WAIT_S)
    assert [items for items, _ in work.batches] == [[0], [3], [1], [2]]


def test_call_past_its_deadline_is_refused_and_never_run() -> None:
    work = _Work()
    with _batcher(work) as batcher:
        with _held(batcher, work) as pool:
            late = pool.submit(batcher.call, [1], ticket=Ticket.issue(Ask(deadline_s=0.01)))
            # It is told while the batch before it still runs.
            with pytest.raises(DeadlineExceeded) as told:
                late.result(WAIT_S)
            assert told.value.code == "deadline_exceeded"
            assert isinstance(told.value, EngineBusy)
            assert batcher.waiting == 0
        with pytest.raises(DeadlineExceeded):
            batcher.call([2], ticket=Ticket.issue(Ask(deadline_s=-1.0)))
        assert batcher.call([3], ticket=Ticket.issue(Ask(deadline_s=WAIT_S))) == [6]
    assert [items for items, _ in work.batches] == [[0], [3]]
    assert batcher.stats.expired == 2


def test_call_that_runs_is_ended_by_its_deadline() -> None:
    work = _Work()
    with _batcher(work) as batcher, ThreadPoolExecutor(1) as pool:
        work.hold()
        call = pool.submit(batcher.call, [1], ticket=Ticket.issue(Ask(deadline_s=0.2)))
        assert work.started.wait(WAIT_S)
        with pytest.raises(DeadlineExceeded):
            call.result(WAIT_S)
        assert not work.go_on.is_set(), "it does not wait for the work"
        work.go_on.set()
        assert batcher.call([2]) == [4]


def test_work_is_broken_off_when_the_last_deadline_of_its_batch_has_passed() -> None:
    broken_off = threading.Event()

    def work(items: list[Any], key: object) -> list[Any]:
        try:
            while True:
                pause()
                time.sleep(0.001)
        except DeadlineExceeded:
            broken_off.set()
            raise

    with _batcher(work) as batcher, pytest.raises(DeadlineExceeded):
        batcher.call([1], ticket=Ticket.issue(Ask(deadline_s=0.1)))
    assert broken_off.wait(WAIT_S)


def test_work_without_a_deadline_is_not_broken_off() -> None:
    pause()
    with working(until=0.0), pytest.raises(DeadlineExceeded):
        pause()
    pause()


class _InParts:
    """Work of as many parts as the item says, with a pause after each; `log` has all parts."""

    def __init__(self, part_s: float = 0.01) -> None:
        self.log: list[int] = []
        self.started = threading.Event()
        self._part_s = part_s

    def __call__(self, items: list[int], key: object) -> list[int]:
        for item in items:
            for _ in range(item):
                self.log.append(item)
                self.started.set()
                time.sleep(self._part_s)
                pause()
        return items


def test_long_work_lets_much_smaller_calls_go_first() -> None:
    work = _InParts()
    with _batcher(work, size_of=float) as batcher, ThreadPoolExecutor(4) as pool:
        large = pool.submit(batcher.call, [100])
        assert work.started.wait(WAIT_S)
        others = [pool.submit(batcher.call, [size]) for size in (3, 60)]
        assert others[0].result(WAIT_S) == [3]
        assert not large.done()
        assert large.result(WAIT_S) == [100]
        assert others[1].result(WAIT_S) == [60]
    # Not much smaller: it waited for the end.
    assert work.log.index(60) > len(work.log) - 1 - work.log[::-1].index(100)


def test_small_calls_take_no_more_time_than_the_work_that_lets_them_go_first() -> None:
    work = _InParts()
    is_over = threading.Event()

    def call_always() -> None:
        while not is_over.is_set():
            batcher.call([3])

    with _batcher(work, size_of=float) as batcher, ThreadPoolExecutor(4) as pool:
        large = pool.submit(batcher.call, [60])
        assert work.started.wait(WAIT_S)
        others = [pool.submit(call_always) for _ in range(3)]
        assert large.result(WAIT_S) == [60]
        is_over.set()
        for other in others:
            other.result(WAIT_S)
    until_done = work.log[: len(work.log) - work.log[::-1].index(60)]
    # Each batch that goes first may hold a call of each thread.
    assert until_done.count(3) <= 2 * until_done.count(60)


def test_failure_of_a_call_that_went_first_is_its_own() -> None:
    def work(items: list[int], key: object) -> list[int]:
        for _ in range(items[0]):
            started.set()
            time.sleep(0.01)
            pause()
        if items[0] == 1:
            raise ValueError("a bad item")
        return items

    started = threading.Event()
    with _batcher(work, size_of=float) as batcher, ThreadPoolExecutor(2) as pool:
        large = pool.submit(batcher.call, [50])
        assert started.wait(WAIT_S)
        with pytest.raises(ValueError, match="bad item"):
            batcher.call([1])
        assert large.result(WAIT_S) == [50]


def test_deadline_of_long_work_holds_after_others_went_first() -> None:
    work = _InParts()
    ask = Ask(deadline_s=0.5)
    with _batcher(work, size_of=float) as batcher, ThreadPoolExecutor(2) as pool:
        large = pool.submit(batcher.call, [100_000], ticket=Ticket.issue(ask))
        assert work.started.wait(WAIT_S)
        assert batcher.call([2]) == [2]
        with pytest.raises(DeadlineExceeded):
            large.result(WAIT_S)
        _until(lambda: batcher.snapshot()["expired"] == 1)


def test_in_a_full_queue_a_caller_with_many_calls_gives_way() -> None:
    work = _Work()
    with _batcher(work, max_batch=1, max_queue=3) as batcher:
        with _held(batcher, work) as pool:
            greedy = []
            for number in (1, 2, 3):
                ticket = Ticket(caller="greedy")
                greedy.append(pool.submit(batcher.call, [number], ticket=ticket))
                _until(lambda: batcher.waiting == len(greedy))
            modest = pool.submit(batcher.call, [4], ticket=Ticket(caller="modest"))
            with pytest.raises(EngineBusy):
                greedy[-1].result(WAIT_S)
            assert not modest.done()
        assert modest.result(WAIT_S) == [8]
        assert [call.result(WAIT_S) for call in greedy[:2]] == [[2], [4]]
    # And it did not have to wait for all of the other's.
    assert [items for items, _ in work.batches] == [[0], [1], [4], [2]]


def test_full_queue_refuses_at_once_and_every_call_ends() -> None:
    """200 callers, room for 32: those who got in are answered, the others are told at once."""
    work = _Work()
    with _batcher(work, max_batch=8, max_queue=32) as batcher:
        work.hold()
        outcomes: list[object] = []
        first = threading.Thread(target=lambda: outcomes.append(batcher.call([0])))
        first.start()
        assert work.started.wait(WAIT_S)

        def call(number: int) -> None:
            try:
                outcomes.append(batcher.call([number]) == [2 * number])
            except EngineBusy as error:
                outcomes.append(error)

        threads = [threading.Thread(target=call, args=(n,)) for n in range(1, 201)]
        for thread in threads:
            thread.start()
        # Nothing moves, and still everybody who does not fit has their answer.
        _until(lambda: len(outcomes) == 168)
        assert all(isinstance(outcome, EngineBusy) for outcome in outcomes)
        assert all(outcome.retry_after_s > 0 for outcome in outcomes)  # type: ignore[attr-defined]
        assert batcher.waiting == 32
        work.go_on.set()
        for thread in [first, *threads]:
            thread.join(WAIT_S)
            assert not thread.is_alive()
    assert outcomes.count(True) == 32
    assert batcher.stats.refused == 168


def test_a_bad_item_spoils_its_own_call_alone() -> None:
    work = _Work()
    with _batcher(work) as batcher:
        with _held(batcher, work) as pool:
            calls = [pool.submit(batcher.call, [item]) for item in (1, "bad", 3)]
            _until(lambda: batcher.waiting == 3)
        assert calls[0].result(WAIT_S) == [2]
        with pytest.raises(ValueError, match="a bad item"):
            calls[1].result(WAIT_S)
        assert calls[2].result(WAIT_S) == [6]
        assert batcher.call([5]) == [10]


def test_work_that_loses_an_item_is_an_error_and_not_a_shift() -> None:
    with (
        _batcher(lambda items, key: items[:-1]) as batcher,
        pytest.raises(RuntimeError, match="1 results for 2 items"),
    ):
        batcher.call([1, 2])


def test_timings_are_added_to_what_is_there() -> None:
    work = _Work()
    with _batcher(work, name="embed") as batcher:
        timings = {"queue": 1000.0}
        batcher.call([1], timings=timings)
        assert timings["queue"] >= 1000
        assert timings["embed"] >= 0


def test_close_finishes_what_runs_and_refuses_the_rest() -> None:
    work = _Work()
    with _batcher(work) as batcher, ThreadPoolExecutor(4) as pool:
        work.hold()
        running = pool.submit(batcher.call, [1])
        assert work.started.wait(WAIT_S)
        waiting = pool.submit(batcher.call, [2])
        _until(lambda: batcher.waiting == 1)
        closing = pool.submit(batcher.close)
        with pytest.raises(EngineClosed):
            waiting.result(WAIT_S)
        assert not closing.done()
        work.go_on.set()
        closing.result(WAIT_S)
        assert running.result(WAIT_S) == [2]
        with pytest.raises(EngineClosed):
            batcher.call([3])
        batcher.close()  # A second time does no harm.


@pytest.mark.parametrize(("calls", "expected"), [(1, False), (3, True)])
def test_work_knows_whether_other_calls_need_the_cores(calls: int, expected: bool) -> None:
    def work(items: list[int], key: object) -> list[bool]:
        return [is_shared() for _ in items]

    with _batcher(work, in_flight=lambda: calls, max_wait_ms=0) as batcher:
        assert batcher.call([1]) == [expected]
    assert not is_shared()


def test_two_lanes_work_at_the_same_time_and_share_what_waits() -> None:
    go_on, started = threading.Event(), threading.Semaphore(0)
    batches: list[list[int]] = []

    def work(items: list[int], key: object) -> list[int]:
        batches.append(items)
        started.release()
        assert go_on.wait(WAIT_S)
        return items

    with _batcher(work, lanes=2) as batcher, ThreadPoolExecutor(6) as pool:
        calls = [pool.submit(batcher.call, [number]) for number in range(2)]
        assert all(started.acquire(timeout=WAIT_S) for _ in calls)
        calls += [pool.submit(batcher.call, [number]) for number in range(2, 6)]
        _until(lambda: batcher.waiting == 4)
        go_on.set()
        assert [call.result(WAIT_S) for call in calls] == [[number] for number in range(6)]
    assert max(map(len, batches)) == 2


def test_closing_waits_for_the_batches_of_all_lanes() -> None:
    go_on, started = threading.Event(), threading.Semaphore(0)

    def work(items: list[int], key: object) -> list[int]:
        started.release()
        assert go_on.wait(WAIT_S)
        return items

    with _batcher(work, lanes=2) as batcher, ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(batcher.call, [number]) for number in range(2)]
        assert all(started.acquire(timeout=WAIT_S) for _ in calls)
        closing = pool.submit(batcher.close)
        assert not closing.done()
        go_on.set()
        closing.result(WAIT_S)
        assert [call.result(WAIT_S) for call in calls] == [[0], [1]]


def test_call_alone_works_in_the_context_of_its_caller_and_a_shared_batch_in_none() -> None:
    caller: ContextVar[str] = ContextVar("caller", default="")
    seen: list[tuple[int, str]] = []
    started, go_on = threading.Event(), threading.Event()

    def work(items: list[int], key: object) -> list[int]:
        seen.append((len(items), caller.get()))
        started.set()
        assert go_on.wait(WAIT_S)
        return items

    def call(batcher: DynamicBatcher[Any, Any], number: int) -> None:
        caller.set(f"caller {number}")
        batcher.call([number])

    with _batcher(work) as batcher, ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(call, batcher, 0)]
        assert started.wait(WAIT_S)
        calls += [pool.submit(call, batcher, number) for number in (1, 2)]
        _until(lambda: batcher.waiting == 2)
        go_on.set()
        for one in calls:
            one.result(WAIT_S)
    assert seen == [(1, "caller 0"), (2, "")]
