"""What this process holds for itself, in one object: no other module-level singletons.

`process()` gives it. Commands and tests get one without roles, in which nothing runs; `serve`
makes one with its roles and starts their parts. A test's fixture puts a fresh one in its place.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterable
from typing import ClassVar, TypeVar

from django.utils.module_loading import import_string

logger = logging.getLogger(__name__)

ROLES = ("web", "cameras", "jobs")
# Parts to start, in this order, each with the roles that need it. They stop in the opposite order:
# what a part uses stands above it.
PARTS: dict[str, frozenset[str]] = {
    "recognition.web.database_room.DatabaseRoom": frozenset(ROLES),
    "recognition.web.leases.LeaseKeeper": frozenset(ROLES),
    "recognition.engine.host.EngineHost": frozenset({"web", "cameras"}),
    "recognition.notices.follower.Follower": frozenset({"web"}),
    "recognition.notices.relay.Relay": frozenset({"jobs"}),
    "recognition.jobs.worker.Worker": frozenset({"jobs"}),
    "recognition.people.index.GalleryLoader": frozenset({"web", "cameras"}),
    "recognition.live.left_behind.LeftBehind": frozenset(ROLES),
    "recognition.live.writer.VisitWriter": frozenset({"web", "cameras"}),
    "recognition.live.previews.Previews": frozenset({"web", "cameras"}),
    "recognition.live.session.Sessions": frozenset({"web", "cameras"}),
    "recognition.live.cameras.CameraRunner": frozenset({"cameras"}),
}


class Part:
    """What one app holds in a process. Made without arguments, at its first use."""

    # Of the time to stop, so much is kept for this part, however long others take.
    kept_s: ClassVar[float] = 0.0

    def start(self) -> None:
        """`serve` calls it in a process whose roles need this part. It returns at once."""

    def stop(self, timeout_s: float) -> bool:
        """End what runs; False if that takes longer. Also called if it was never started."""
        return True


P = TypeVar("P", bound=Part)


class Process:
    """One start of a program. `id` is another one after each start; `node` names the machine."""

    def __init__(self, *, roles: Iterable[str] = (), node: str = "") -> None:
        self.roles = frozenset(roles)
        if unknown := self.roles - set(ROLES):
            raise ValueError(f"There is no role {', '.join(sorted(unknown))}.")
        self.node = (node or socket.gethostname())[:64]
        self.id = f"{self.node}:{os.getpid()}:{secrets.token_hex(4)}"
        self._parts: dict[type[Part], Part] = {}
        # Reentrant: a part may use other parts while it is made.
        self._lock = threading.RLock()

    def part(self, kind: type[P]) -> P:
        """The one `kind` of this process, made at the first call. From any thread."""
        with self._lock:
            found = self._parts.get(kind)
            if found is None:
                found = self._parts[kind] = kind()
        return found  # type: ignore[return-value]

    def start(self) -> None:
        """Start the parts of this process's roles, in the order of `PARTS`."""
        # All are made first: a part that runs may use any other one.
        kinds = [import_string(name) for name, roles in PARTS.items() if roles & self.roles]
        for part in [self.part(kind) for kind in kinds]:
            part.start()

    def stop(self, timeout_s: float) -> bool:
        """Stop every part that was made, the last one first; False if one was not done in time.
        A part that uses another one was made or listed after it."""
        deadline = time.monotonic() + timeout_s
        is_done = True
        with self._lock:
            parts = list(self._parts.values())
        while parts:
            part = parts.pop()
            left_s = deadline - time.monotonic()
            kept_s = min(sum(other.kept_s for other in parts), left_s / 2)
            try:
                is_done &= part.stop(max(0.1, left_s - kept_s))
            except Exception:
                logger.exception("%s could not be stopped", type(part).__name__)
                is_done = False
        return is_done


_process: Process | None = None
_lock = threading.Lock()


def process() -> Process:
    """The object of this process."""
    global _process
    with _lock:
        if _process is None:
            _process = Process()
        return _process


def use_process(made: Process | None) -> None:
    """Put `made` in place of the one before (`serve`, tests); None: a new one at the next use."""
    global _process
    with _lock:
        _process = made
