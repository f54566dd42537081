"""The order of calls: interactive ones before bulk ones, and callers in turn.

Each call gets a round: one after the last round of its caller that still waits, and none before the
round that is served now (start-time fair queueing with equal shares: Goyal, Vin, Cheng, 1996). So a
caller that queues thirty calls has one in each of the next thirty rounds, and a stream that queues
one has it in the next.
"""

from __future__ import annotations

import math
import time
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from ml_engine.request import Ask, Priority

# Bulk calls get a batch this often, even while interactive calls fill the queue.
BULK_PATIENCE_S = 2.0


@dataclass(frozen=True, slots=True)
class Ticket:
    """An Ask whose deadline runs. expires_at: by `time.perf_counter`."""

    priority: Priority = "interactive"
    caller: Hashable = None
    expires_at: float = math.inf

    @classmethod
    def issue(cls, ask: Ask) -> Ticket:
        """The ticket of a call that starts now."""
        deadline_s = math.inf if ask.deadline_s is None else ask.deadline_s
        return cls(ask.priority, ask.caller, time.perf_counter() + deadline_s)


class Queued(Protocol):
    """The part of a call that the queue uses; it sets `round`."""

    ticket: Ticket
    queued_at: float
    round: int


Call = TypeVar("Call", bound=Queued)


class FairQueue(Generic[Call]):
    """Not thread-safe: its owner locks. room: most calls that wait."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._calls: list[Call] = []  # by arrival
        self._round: dict[Priority, int] = {"interactive": 0, "bulk": 0}  # served now
        self._bulk_served_at = -math.inf

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[Call]:
        return iter(self._calls)

    def push(self, call: Call) -> Call | None:
        """Queue a call. A full queue refuses one call and returns it: a bulk call for an
        interactive one, else the last call of a caller with more calls waiting, else `call`."""
        loser = self._who_gives_way(call) if len(self._calls) >= self._room else None
        if loser is call:
            return call
        if loser is not None:
            self._calls.remove(loser)
        priority, caller = call.ticket.priority, call.ticket.caller
        mine = [
            other.round
            for other in self._calls
            if (other.ticket.priority, other.ticket.caller) == (priority, caller)
        ]
        call.round = max([self._round[priority], *mine]) + 1
        self._calls.append(call)
        return loser

    def remove(self, call: Call) -> bool:
        """False if it does not wait any more."""
        if call not in self._calls:
            return False
        self._calls.remove(call)
        return True

    def in_turn(self, now: float) -> list[Call]:
        """All waiting calls, the next one to serve first."""
        is_bulk_due = self._is_bulk_due(now)
        return sorted(
            self._calls,
            key=lambda call: ((call.ticket.priority == "bulk") != is_bulk_due, call.round),
        )

    def take(self, calls: list[Call], now: float) -> None:
        """Remove calls that are served now."""
        for call in calls:
            self._calls.remove(call)
            priority = call.ticket.priority
            self._round[priority] = max(self._round[priority], call.round)
            if priority == "bulk":
                self._bulk_served_at = now

    def clear(self) -> list[Call]:
        """Empty it; returns the calls that waited."""
        waiting, self._calls = self._calls, []
        return waiting

    def _is_bulk_due(self, now: float) -> bool:
        bulk = [call.queued_at for call in self._calls if call.ticket.priority == "bulk"]
        return bool(bulk) and now - max(min(bulk), self._bulk_served_at) >= BULK_PATIENCE_S

    def _who_gives_way(self, call: Call) -> Call:
        waiting: dict[Hashable, int] = {}
        for other in self._calls:
            waiting[other.ticket.caller] = waiting.get(other.ticket.caller, 0) + 1

        def burden(other: Call) -> tuple[bool, int, int]:
            return other.ticket.priority == "bulk", waiting[other.ticket.caller], other.round

        heaviest = max(self._calls, key=burden)
        is_bulk, count, _ = burden(heaviest)
        if is_bulk != (call.ticket.priority == "bulk"):
            return heaviest if is_bulk else call
        return heaviest if count > waiting.get(call.ticket.caller, 0) + 1 else call
