"""A gate lets in, counts, and waits for those inside when it is shut."""

from __future__ import annotations

import threading

import pytest

from ml_engine.runtime.gate import Gate
from ml_engine.types import EngineClosed


def test_gate_counts_calls_even_if_they_fail() -> None:
    gate = Gate()
    with pytest.raises(KeyError), gate.enter():
        assert gate.inside == 1
        raise KeyError
    assert gate.inside == 0


def test_closing_gate_waits_for_calls_inside_and_refuses_new_ones() -> None:
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
