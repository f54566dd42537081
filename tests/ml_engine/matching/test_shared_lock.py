"""Readers together, a writer alone."""

from __future__ import annotations

import threading

from ml_engine.matching.shared_lock import SharedLock

WAIT_S = 20


def test_readers_share_the_lock() -> None:
    lock = SharedLock()
    together = threading.Barrier(3)

    def read() -> None:
        with lock.read():
            together.wait(WAIT_S)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert not together.broken


def test_a_writer_waits_for_readers_and_goes_before_later_ones() -> None:
    lock = SharedLock()
    order: list[str] = []
    may_leave, is_in = threading.Event(), threading.Event()

    def first() -> None:
        with lock.read():
            is_in.set()
            assert may_leave.wait(WAIT_S)
            order.append("first")

    def write() -> None:
        with lock.write():
            order.append("writer")

    def later() -> None:
        with lock.read():
            order.append("later")

    threads = [threading.Thread(target=first)]
    threads[0].start()
    assert is_in.wait(WAIT_S)
    threads.append(threading.Thread(target=write))
    threads[1].start()
    while not lock._writers_waiting:
        pass
    threads.append(threading.Thread(target=later))
    threads[2].start()
    may_leave.set()
    for thread in threads:
        thread.join(WAIT_S)
    assert order == ["first", "writer", "later"]


def test_two_writers_exclude_each_other() -> None:
    lock = SharedLock()
    total = 0

    def write() -> None:
        nonlocal total
        for _ in range(200):
            with lock.write():
                seen = total
                threading.Event().wait(0)  # lets others run
                total = seen + 1

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert total == 800
