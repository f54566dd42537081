"""Base classes of sinks. A sink gets notices from the outbox in one of two ways."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from recognition.notices.models import Delivery, Notice, Receiver


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt ended. `error` is a code, empty for success. `status` is the HTTP status, if
    there was an answer. The body of the answer is not kept, because it may name people."""

    error: str = ""
    message: str = ""
    status: int | None = None
    duration_ms: int = 0
    # Why nothing more is to be sent; empty if sending goes on.
    off_reason: str = ""

    @property
    def is_success(self) -> bool:
        return not self.error


class NotSent(Exception):
    """The message was not sent, because this process no longer holds the receiver's lease."""


class FollowingSink(ABC):
    """Gets every notice shortly after its commit, in each process with the role `web`. Only for
    receivers that end with the process, such as open pages: no row records what was sent."""

    @abstractmethod
    def tell(self, notices: Sequence[Notice]) -> None:
        """Pass on notices, which come in the order of their commits. Must not block."""


class RelayedSink(ABC):
    """Has receivers. For each receiver of a notice there is a `Delivery` row, which one process
    with the role `jobs` sends, and repeats until the receiver accepts it."""

    @abstractmethod
    def receivers_of(self, notice: Notice) -> list[int]:
        """Primary keys of the receivers of a notice. Called in the notice's transaction."""

    @abstractmethod
    def send(
        self, receiver: Receiver, delivery: Delivery, *, may_send: Callable[[], bool]
    ) -> Outcome:
        """Make one attempt, within the sink's own time limit. Call `may_send` as late as possible,
        and raise NotSent if it returns False. Any other exception counts as a failed attempt."""

    @abstractmethod
    def switch_off(self, receiver: Receiver, reason: str) -> None:
        """The receiver failed for too long, or nothing more is to be sent to it. Called in the
        transaction that records the attempt."""
