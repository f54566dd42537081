"""The worker: threads that take jobs and run them, in a process with the role `jobs`."""

from __future__ import annotations

import logging
import threading
import time

from django.db import DatabaseError, InterfaceError, connections

from recognition.jobs.kinds import KINDS
from recognition.jobs.running import run_next
from recognition.jobs.services import queue_periodic
from recognition.web.process import Part

logger = logging.getLogger(__name__)

_POLL_S = 1.0
_PERIODIC_EVERY_S = 60.0


class Worker(Part):
    """Three threads: one for kinds that may take hours, one for those that work in a process of
    their own, and one for all others, so that a user who waits for a short job does not wait for an
    import. More threads would only share the same cores; a site that needs more runs more worker
    processes."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(kinds,), name=name, daemon=True)
            for name, kinds in (
                ("jobs", _kinds(is_long=False, is_apart=False)),
                ("long-jobs", _kinds(is_long=True, is_apart=False)),
                ("apart-jobs", _kinds(is_long=False, is_apart=True)),
            )
            if kinds
        ]
        self._periodic_due_s = 0.0

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Running jobs stop at their next step and go back to the queue. False if one does not stop
        in time; its lease lapses later, and another worker takes it."""
        deadline = time.monotonic() + timeout_s
        self._stopping.set()
        running = [thread for thread in self._threads if thread.ident is not None]
        for thread in running:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in running)

    def _run(self, kinds: list[str]) -> None:
        while not self._stopping.is_set():
            if not self._work(kinds):
                self._stopping.wait(_POLL_S)
        connections.close_all()

    def _see_to_periodic(self) -> None:
        if time.monotonic() >= self._periodic_due_s:
            queue_periodic()
            self._periodic_due_s = time.monotonic() + _PERIODIC_EVERY_S

    def _work(self, kinds: list[str]) -> bool:
        """Run one job. False if none is due or the database is away."""
        try:
            self._see_to_periodic()
            return run_next(kinds, self._stopping)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("the worker cannot reach the database: %s", error)
        except Exception:
            logger.exception("the worker failed, and goes on")
        connections.close_all()
        return False


def _kinds(*, is_long: bool, is_apart: bool) -> list[str]:
    wanted = (is_long, is_apart)
    return [name for name, kind in KINDS.items() if (kind.is_long, kind.is_apart) == wanted]
