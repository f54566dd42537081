"""A gate lets in, counts, and waits for those inside when it is shut."""

from __future__ import annotations

import threading

import pytest

from ml_engine.runtime.gate import Gate
from ml_engine.types import EngineClosed


def test_it_counts_who_is_inside_even_if_they_fail() -> None:
    gate = Gate()
    with pytest.raises(KeyError), gate.enter():
        assert gate.inside == 1
        raise KeyError
    assert gate.inside == 0


def test_shut_it_waits_for_those_inside_and_lets_nobody_in() -> None:
    gate = Gate()
    may_leave = threading.Event()
    entered = threading.Event()

    def stay() -> None:
        with gate.enter():
            entered.set()
            assert may_leave.wait(20)

    inside = threading.Thread(target=stay)
    inside.start()
    assert entered.wait(20)
    assert not gate.shut(0.01)
    with pytest.raises(EngineClosed), gate.enter():
        pass
    may_leave.set()
    assert gate.shut(20)
    inside.join()
