"""Room for the database: some MB that SQLite gets when its disk is full, so that something can be
deleted, and what a server database said last.

The reserve is a file beside SQLite's. It is let go when the disk is full and taken back when there
is room again; in between nothing new is stored, so that it lasts for what makes room.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path

from django.conf import settings
from django.db import connection

from recognition.web.process import Part, process
from recognition.web.storage import (
    Problem,
    database_folder,
    folder_problem,
    media_problem,
    problem_of,
    storage_refusal,
)

logger = logging.getLogger(__name__)

RESERVE_BYTES = 8 * 2**20
# With less than this free, SQLite may fail with its next write.
_LEAST_BYTES = 2**20
_LOOKS_EVERY_S = 2.0
# A server database is asked nothing for it: so long what it said last stands.
_STANDS_S = 60.0


class DatabaseRoom(Part):
    """Thread-safe. Every process of a SQLite database looks after the one reserve."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_let_go = False
        self._failed: tuple[Problem, float] | None = None

    def start(self) -> None:
        if connection.vendor == "sqlite":
            self._thread = threading.Thread(target=self._run, name="database-room", daemon=True)
            self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
        return self._thread is None or not self._thread.is_alive()

    def problem(self) -> Problem | None:
        """Why the database stores nothing new."""
        if connection.vendor == "sqlite":
            least = 0 if _reserve().exists() else _LEAST_BYTES
            found = folder_problem(database_folder(), least_bytes=least)
            return found or (Problem.FULL if self._is_let_go else None)
        failed = self._failed
        is_recent = failed is not None and time.monotonic() - failed[1] < _STANDS_S
        return failed[0] if failed and is_recent else None

    def note(self, error: BaseException) -> bool:
        """A write failed. True if there is more room now, so that it is worth another try."""
        problem = problem_of(error)
        if problem is None:
            return False
        self._failed = (problem, time.monotonic())
        is_sqlite = connection.vendor == "sqlite"
        return is_sqlite and problem == Problem.FULL and self._let_go()

    def look(self) -> None:
        """Let the reserve go, or take it back, as there is room."""
        folder = database_folder()
        if _reserve().exists():
            self._is_let_go = False
            if folder_problem(folder, least_bytes=_LEAST_BYTES) == Problem.FULL:
                self._let_go()
        elif folder_problem(folder, least_bytes=RESERVE_BYTES + settings.KEEP_FREE_BYTES) is None:
            self._take()
        else:
            self._is_let_go = True

    def _run(self) -> None:
        while True:
            try:
                self.look()
            except OSError as error:
                logger.warning("the reserve of the database was not looked after: %s", error)
            if self._stopped.wait(_LOOKS_EVERY_S):
                return

    def _let_go(self) -> bool:
        try:
            _reserve().unlink()
        except OSError:
            return False
        self._is_let_go = True
        logger.error("the disk of the database is full: its reserve was let go")
        return True

    def _take(self) -> None:
        reserve = _reserve()
        descriptor = os.open(reserve, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
            self._is_let_go = False
        except OSError:
            reserve.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)


def storage_problem() -> Problem | None:
    """Why nothing new is stored: of the pictures' disk, or of the database's."""
    return media_problem() or process().part(DatabaseRoom).problem()


def storage_problems() -> list[str]:
    """What to tell people of it; usually nothing."""
    found = {media_problem(), process().part(DatabaseRoom).problem()} - {None}
    return sorted(storage_refusal(problem).message for problem in found if problem)


def _reserve() -> Path:
    return database_folder() / "reserve"
