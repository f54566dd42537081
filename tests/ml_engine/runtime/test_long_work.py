"""Deadlines of calls, and long work that lets smaller calls go first."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ml_engine.request import Ask
from ml_engine.runtime.fair_queue import Ticket
from ml_engine.runtime.pauses import pause, working
from ml_engine.types import DeadlineExceeded, EngineBusy
from tests.ml_engine.runtime.batching import WAIT_S, Work, batcher_of, held, until


def test_call_past_its_deadline_is_refused_and_never_run() -> None:
    work = Work()
    with batcher_of(work) as batcher:
        with held(batcher, work) as pool:
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
    work = Work()
    with batcher_of(work) as batcher, ThreadPoolExecutor(1) as pool:
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

    with batcher_of(work) as batcher, pytest.raises(DeadlineExceeded):
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
    with batcher_of(work, size_of=float) as batcher, ThreadPoolExecutor(4) as pool:
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

    with batcher_of(work, size_of=float) as batcher, ThreadPoolExecutor(4) as pool:
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
    with batcher_of(work, size_of=float) as batcher, ThreadPoolExecutor(2) as pool:
        large = pool.submit(batcher.call, [50])
        assert started.wait(WAIT_S)
        with pytest.raises(ValueError, match="bad item"):
            batcher.call([1])
        assert large.result(WAIT_S) == [50]


def test_deadline_of_long_work_holds_after_others_went_first() -> None:
    work = _InParts()
    ask = Ask(deadline_s=0.5)
    with batcher_of(work, size_of=float) as batcher, ThreadPoolExecutor(2) as pool:
        large = pool.submit(batcher.call, [100_000], ticket=Ticket.issue(ask))
        assert work.started.wait(WAIT_S)
        assert batcher.call([2]) == [2]
        with pytest.raises(DeadlineExceeded):
            large.result(WAIT_S)
        until(lambda: batcher.snapshot()["expired"] == 1)
