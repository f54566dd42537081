"""Dynamic batches: they form, they are bounded, they spoil nobody, they drain."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

import pytest

from ml_engine.runtime.batcher import DynamicBatcher
from ml_engine.runtime.fair_queue import Ticket
from ml_engine.runtime.pauses import is_shared
from ml_engine.types import EngineBusy, EngineClosed
from tests.ml_engine.runtime.batching import WAIT_S, Work, batcher_of, held, until


def test_batcher_returns_results_in_order() -> None:
    with batcher_of(Work()) as batcher:
        assert batcher.call([1, 2, 3]) == [2, 4, 6]
        assert batcher.call([]) == []


def test_calls_that_wait_become_one_batch() -> None:
    work = Work()
    with batcher_of(work, max_batch=8) as batcher:
        with held(batcher, work) as pool:
            calls = [pool.submit(batcher.call, [n, n + 100]) for n in range(1, 4)]
            until(lambda: batcher.waiting == 3)
        assert [call.result(WAIT_S) for call in calls] == [[2 * n, 2 * n + 200] for n in (1, 2, 3)]
    assert [len(items) for items, _ in work.batches] == [1, 6]
    assert batcher.stats.batches == 2
    assert batcher.stats.calls == 4
    assert batcher.stats.items == 7
    assert batcher.stats.queue_s > 0
    assert batcher.stats.batch_sizes == {1: 1, 6: 1}
    assert batcher.snapshot()["waiting"] == 0


def test_a_batch_is_no_larger_than_allowed_and_a_larger_call_stands_alone() -> None:
    work = Work()
    with batcher_of(work, max_batch=4) as batcher:
        with held(batcher, work) as pool:
            calls = [pool.submit(batcher.call, [n] * size) for n, size in ((1, 3), (2, 3), (3, 9))]
            until(lambda: batcher.waiting == 3)
        assert sorted(len(call.result(WAIT_S)) for call in calls) == [3, 3, 9]
    assert sorted(len(items) for items, _ in work.batches) == [1, 3, 3, 9]


def test_keys_never_share_a_batch() -> None:
    work = Work()
    with batcher_of(work) as batcher:
        with held(batcher, work) as pool:
            calls = [pool.submit(batcher.call, [n], key="ab"[n % 2]) for n in range(6)]
            until(lambda: batcher.waiting == 6)
        assert [call.result(WAIT_S) for call in calls] == [[2 * n] for n in range(6)]
    for items, key in work.batches[1:]:
        assert {"ab"[n % 2] for n in items} == {key}
    assert len(work.batches) == 3


def test_first_call_waits_a_little_for_others() -> None:
    work = Work()
    with (
        batcher_of(work, max_batch=2, max_wait_ms=1000 * WAIT_S) as batcher,
        ThreadPoolExecutor(2) as pool,
    ):
        # Neither is answered before the other came; together they fill the batch.
        calls = [pool.submit(batcher.call, [n]) for n in (1, 2)]
        assert [call.result(WAIT_S / 2) for call in calls] == [[2], [4]]
    assert [len(items) for items, _ in work.batches] == [2]


def test_call_does_not_wait_if_no_other_can_come() -> None:
    work = Work()
    with (
        batcher_of(work, max_batch=8, max_wait_ms=1000 * WAIT_S, in_flight=lambda: 1) as batcher,
        ThreadPoolExecutor(1) as pool,
    ):
        assert pool.submit(batcher.call, [1]).result(WAIT_S / 2) == [2]


def test_interactive_calls_overtake_bulk_ones() -> None:
    work = Work()
    with batcher_of(work, max_batch=1) as batcher:
        with held(batcher, work) as pool:
            calls = []
            for number, priority in enumerate(["bulk", "bulk", "interactive"], start=1):
                ticket = Ticket(priority)  # type: ignore[arg-type]
                calls.append(pool.submit(batcher.call, [number], ticket=ticket))
                until(lambda: batcher.waiting == len(calls))
        for call in calls:
            call.result(WAIT_S)
    assert [items for items, _ in work.batches] == [[0], [3], [1], [2]]


def test_in_a_full_queue_a_caller_with_many_calls_gives_way() -> None:
    work = Work()
    with batcher_of(work, max_batch=1, max_queue=3) as batcher:
        with held(batcher, work) as pool:
            greedy = []
            for number in (1, 2, 3):
                ticket = Ticket(caller="greedy")
                greedy.append(pool.submit(batcher.call, [number], ticket=ticket))
                until(lambda: batcher.waiting == len(greedy))
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
    work = Work()
    with batcher_of(work, max_batch=8, max_queue=32) as batcher:
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
        until(lambda: len(outcomes) == 168)
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
    work = Work()
    with batcher_of(work) as batcher:
        with held(batcher, work) as pool:
            calls = [pool.submit(batcher.call, [item]) for item in (1, "bad", 3)]
            until(lambda: batcher.waiting == 3)
        assert calls[0].result(WAIT_S) == [2]
        with pytest.raises(ValueError, match="a bad item"):
            calls[1].result(WAIT_S)
        assert calls[2].result(WAIT_S) == [6]
        assert batcher.call([5]) == [10]


def test_work_that_loses_an_item_is_an_error_and_not_a_shift() -> None:
    with (
        batcher_of(lambda items, key: items[:-1]) as batcher,
        pytest.raises(RuntimeError, match="1 results for 2 items"),
    ):
        batcher.call([1, 2])


def test_timings_are_added_to_what_is_there() -> None:
    work = Work()
    with batcher_of(work, name="embed") as batcher:
        timings = {"queue": 1000.0}
        batcher.call([1], timings=timings)
        assert timings["queue"] >= 1000
        assert timings["embed"] >= 0


def test_close_finishes_what_runs_and_refuses_the_rest() -> None:
    work = Work()
    with batcher_of(work) as batcher, ThreadPoolExecutor(4) as pool:
        work.hold()
        running = pool.submit(batcher.call, [1])
        assert work.started.wait(WAIT_S)
        waiting = pool.submit(batcher.call, [2])
        until(lambda: batcher.waiting == 1)
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

    with batcher_of(work, in_flight=lambda: calls, max_wait_ms=0) as batcher:
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

    with batcher_of(work, lanes=2) as batcher, ThreadPoolExecutor(6) as pool:
        calls = [pool.submit(batcher.call, [number]) for number in range(2)]
        assert all(started.acquire(timeout=WAIT_S) for _ in calls)
        calls += [pool.submit(batcher.call, [number]) for number in range(2, 6)]
        until(lambda: batcher.waiting == 4)
        go_on.set()
        assert [call.result(WAIT_S) for call in calls] == [[number] for number in range(6)]
    assert max(map(len, batches)) == 2


def test_closing_waits_for_the_batches_of_all_lanes() -> None:
    go_on, started = threading.Event(), threading.Semaphore(0)

    def work(items: list[int], key: object) -> list[int]:
        started.release()
        assert go_on.wait(WAIT_S)
        return items

    with batcher_of(work, lanes=2) as batcher, ThreadPoolExecutor(3) as pool:
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

    with batcher_of(work) as batcher, ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(call, batcher, 0)]
        assert started.wait(WAIT_S)
        calls += [pool.submit(call, batcher, number) for number in (1, 2)]
        until(lambda: batcher.waiting == 2)
        go_on.set()
        for one in calls:
            one.result(WAIT_S)
    assert seen == [(1, "caller 0"), (2, "")]
