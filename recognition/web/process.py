"""The state that belongs to one process, in one object instead of module-level singletons.

`process()` returns it. Commands and tests get one without roles, in which nothing runs; `serve`
makes one with its roles and starts their parts. A test fixture replaces it for each test.
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
# Parts in the order of their start, each with the roles that need it. They stop in reverse order:
# a part must come after the parts that it uses.
PARTS: dict[str, frozenset[str]] = {
    "recognition.web.metrics.Metrics": frozenset(ROLES),
    "recognition.web.database_room.DatabaseRoom": frozenset(ROLES),
    "recognition.web.leases.LeaseKeeper": frozenset(ROLES),
    "recognition.engine.host.EngineHost": frozenset({"web", "cameras"}),
    "recognition.notices.follower.Follower": frozenset({"web"}),
    "recognition.notices.relay.Relay": frozenset({"jobs"}),
    "recognition.people.index.GalleryLoader": frozenset({"web", "cameras"}),
    "recognition.live.left_behind.LeftBehind": frozenset(ROLES),
    # Stops after the writer of visits: a clip waits for the row of its event.
    "recognition.live.clips.Clips": frozenset({"cameras"}),
    "recognition.live.writer.VisitWriter": frozenset(ROLES),
    "recognition.live.previews.Previews": frozenset({"web", "cameras"}),
    "recognition.live.minutes.CameraMinutes": frozenset({"web", "cameras"}),
    "recognition.live.session.Sessions": frozenset({"web", "cameras"}),
    "recognition.live.cameras.CameraRunner": frozenset({"cameras"}),
    "recognition.jobs.worker.Worker": frozenset({"jobs"}),
    "facerec_site.metrics.sampling.Sampler": frozenset(ROLES),
}


class Part:
    """The state that one app holds in a process. Made without arguments, at its first use."""

    # Seconds reserved for this part when the process stops, even if other parts take long.
    kept_s: ClassVar[float] = 0.0

    def start(self) -> None:
        """Called by `serve` in a process whose roles need this part. Returns at once."""

    def stop(self, timeout_s: float) -> bool:
        """End running work; False if that takes longer. Also called if the part was never
        started."""
        return True


P = TypeVar("P", bound=Part)


class Process:
    """One start of a program. `id` is different after each start; `node` names the machine."""

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
        """The only `kind` of this process, made at the first call. Thread-safe."""
        with self._lock:
            found = self._parts.get(kind)
            if found is None:
                found = self._parts[kind] = kind()
        return found  # type: ignore[return-value]

    def start(self) -> None:
        """Start the parts of this process's roles, in the order of `PARTS`."""
        # Make all parts first: a running part may use any other one.
        kinds = [import_string(name) for name, roles in PARTS.items() if roles & self.roles]
        for part in [self.part(kind) for kind in kinds]:
            part.start()

    def stop(self, timeout_s: float) -> bool:
        """Stop every part that was made, in reverse order; False if one was not done in time. A
        part that uses another one was made or listed after it."""
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
    """Replace the object of this process (`serve`, tests); None: the next use makes a new one."""
    global _process
    with _lock:
        _process = made
