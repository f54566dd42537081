"""What a sink is. There are two ways to hang on the outbox."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from recognition.notices.models import Delivery, Notice, Receiver


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt ended. `error` is a code, empty for success; `status` is the HTTP status,
    if there was an answer. Nothing of the answer's body is kept: it may name people."""

    error: str = ""
    message: str = ""
    status: int | None = None
    duration_ms: int = 0
    # The receiver said that it wants no more messages.
    is_gone: bool = False

    @property
    def is_success(self) -> bool:
        return not self.error


class NotSent(Exception):
    """The message was not sent, because it is not this process's to send any more."""


class FollowingSink(ABC):
    """Is told every notice, in each process with the role `web`, a moment after its commit. For
    what is gone with the process anyway: no row says what was told."""

    @abstractmethod
    def tell(self, notices: Sequence[Notice]) -> None:
        """In the order of their commits. Must not block."""


class RelayedSink(ABC):
    """Has receivers, each of which is told a notice until it took it: a `Delivery` row for each,
    sent by one process with the role `jobs`."""

    @abstractmethod
    def receivers_of(self, notice: Notice) -> list[int]:
        """The primary keys of the receivers that are to be told; in the notice's transaction."""

    @abstractmethod
    def send(
        self, receiver: Receiver, delivery: Delivery, *, may_send: Callable[[], bool]
    ) -> Outcome:
        """One attempt, within limits of its own. `may_send` is asked as late as possible: NotSent
        if it says no. An exception counts as a failed attempt."""

    @abstractmethod
    def switch_off(self, receiver: Receiver, reason: str) -> None:
        """It failed for too long, or wants no more messages; in the transaction that records it."""
