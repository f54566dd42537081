"""The hubs that this process listens with: one receiver for all cameras of a kind on a machine."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from recognition.cameras.services.hubs import OwnHub, hub_give_back, hub_show, hub_take
from recognition.cameras.sources import KINDS
from recognition.web.leases import KeptLease, LeaseKeeper
from recognition.web.process import process

_SHOWN_EVERY_S = 60.0


@dataclass(slots=True)
class _Held:
    own: OwnHub
    kept: KeptLease
    shown: dict[str, int] = field(default_factory=dict)
    shown_s: float = -math.inf

    def must_show(self, strangers: dict[str, int]) -> bool:
        """True for a new name; counts of known ones rise all the time, and may be late."""
        is_late = time.monotonic() - self.shown_s > _SHOWN_EVERY_S
        return strangers.keys() != self.shown.keys() or (is_late and strangers != self.shown)


class HeldHubs:
    """For one thread. changed: called in another thread when a hub is lost."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._held: dict[str, _Held] = {}

    def follow(self, wanted: set[str], *, may_be_lapsed: bool) -> set[str]:
        """Take hubs of the wanted kinds that are free, keep those that this process has open, and
        return their kinds. A hub stays open without cameras: its senders wait for answers."""
        for kind in [kind for kind, held in self._held.items() if held.kept.is_lost]:
            KINDS[kind].load_hub().close()
            del self._held[kind]
        for kind in wanted - self._held.keys():
            if (own := hub_take(kind, may_be_lapsed=may_be_lapsed)) is not None:
                kept = process().part(LeaseKeeper).keep(own.rows, own.lease, self._changed)
                self._held[kind] = _Held(own, kept)
        for kind, held in self._held.items():
            hub = KINDS[kind].load_hub()
            hub.open()
            if held.must_show(strangers := hub.strangers()):
                hub_show(held.own, strangers)
                held.shown, held.shown_s = strangers, time.monotonic()
        return set(self._held)

    def close(self) -> None:
        """Of a process that stops. Works without the database."""
        for kind in self._held:
            KINDS[kind].load_hub().close()

    def give_back(self) -> None:
        """Closed hubs may be opened by another process."""
        for held in self._held.values():
            hub_give_back(held.own)
            held.kept.drop()
        self._held.clear()
