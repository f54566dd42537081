"""Turns: by priority, then by caller."""

from __future__ import annotations

from dataclasses import dataclass

from ml_engine.runtime.fair_queue import BULK_PATIENCE_S, FairQueue, Priority, Ticket


@dataclass(eq=False)
class _Call:
    name: str
    ticket: Ticket
    queued_at: float = 0.0
    round: int = 0


def _call(name: str, caller: str, priority: Priority = "interactive", at: float = 0.0) -> _Call:
    return _Call(name, Ticket(priority, caller), at)


def _names(queue: FairQueue[_Call], now: float = 0.0) -> list[str]:
    return [call.name for call in queue.in_turn(now)]


def _serve(queue: FairQueue[_Call], now: float = 0.0) -> str:
    call = queue.in_turn(now)[0]
    queue.take([call], now)
    return call.name


def test_fair_queue_serves_callers_in_turn() -> None:
    queue: FairQueue[_Call] = FairQueue(20)
    for name in ("a1", "a2", "a3", "b1", "b2", "c1"):
        assert queue.push(_call(name, name[0])) is None
    assert _names(queue) == ["a1", "b1", "c1", "a2", "b2", "a3"]


def test_a_newcomer_comes_in_the_round_that_is_served_next() -> None:
    queue: FairQueue[_Call] = FairQueue(20)
    for number in range(6):
        queue.push(_call(f"a{number}", "a"))
    assert [_serve(queue) for _ in range(3)] == ["a0", "a1", "a2"]
    queue.push(_call("b0", "b"))
    queue.push(_call("b1", "b"))
    assert _names(queue) == ["a3", "b0", "a4", "b1", "a5"]


def test_bulk_comes_last_but_gets_a_batch_now_and_then() -> None:
    queue: FairQueue[_Call] = FairQueue(20)
    for number in range(3):
        queue.push(_call(f"bulk{number}", "import", "bulk"))
        queue.push(_call(f"live{number}", "camera"))
    assert _names(queue)[:3] == ["live0", "live1", "live2"]
    assert _serve(queue, BULK_PATIENCE_S) == "bulk0"
    # Once served, it has to be patient again.
    assert _serve(queue, BULK_PATIENCE_S + 0.1) == "live0"
    assert _serve(queue, 2 * BULK_PATIENCE_S) == "bulk1"


def test_in_a_full_queue_bulk_gives_way_to_interactive() -> None:
    queue: FairQueue[_Call] = FairQueue(2)
    queue.push(_call("bulk0", "import", "bulk"))
    queue.push(_call("live0", "camera"))
    loser = queue.push(_call("live1", "camera"))
    assert loser is not None
    assert loser.name == "bulk0"
    refused = _call("bulk1", "other", "bulk")
    assert queue.push(refused) is refused
    assert _names(queue) == ["live0", "live1"]


def test_full_queue_keeps_calls_of_equal_rank() -> None:
    queue: FairQueue[_Call] = FairQueue(2)
    queue.push(_call("a0", "a"))
    queue.push(_call("b0", "b"))
    for newcomer in (_call("c0", "c"), _call("a1", "a")):
        assert queue.push(newcomer) is newcomer
    assert _names(queue) == ["a0", "b0"]


def test_taken_or_removed_call_leaves_the_queue() -> None:
    queue: FairQueue[_Call] = FairQueue(2)
    call = _call("a0", "a")
    queue.push(call)
    assert queue.remove(call)
    assert not queue.remove(call)
    queue.push(call)
    assert queue.clear() == [call]
    assert len(queue) == 0
