"""Free space for the database.

SQLite needs space even to delete rows. A reserve file of 8 MB lies beside its database. When the
disk is full, the file is removed, so that users can delete something; when there is space again, it
is made again. In between nothing new is stored, so that the space is left for deleting.

For MySQL and MariaDB, only the last error of a write is remembered.
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
# A database server is not asked for its free space. Its last error counts for this long.
_STANDS_S = 60.0


class DatabaseRoom(Part):
    """Thread-safe. Each process that uses a SQLite database watches the same reserve file."""

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
        """Why the database stores nothing new; None if it does."""
        if connection.vendor == "sqlite":
            least = 0 if _reserve().exists() else _LEAST_BYTES
            found = folder_problem(database_folder(), least_bytes=least)
            return found or (Problem.FULL if self._is_let_go else None)
        failed = self._failed
        is_recent = failed is not None and time.monotonic() - failed[1] < _STANDS_S
        return failed[0] if failed and is_recent else None

    def note(self, error: BaseException) -> bool:
        """Note a failed write. True if this freed space, so that the write can be retried."""
        problem = problem_of(error)
        if problem is None:
            return False
        self._failed = (problem, time.monotonic())
        is_sqlite = connection.vendor == "sqlite"
        return is_sqlite and problem == Problem.FULL and self._let_go()

    def look(self) -> None:
        """Remove the reserve if the disk is full, and make it again if there is space."""
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
                logger.warning("the reserve of the database could not be checked: %s", error)
            if self._stopped.wait(_LOOKS_EVERY_S):
                return

    def _let_go(self) -> bool:
        try:
            _reserve().unlink()
        except OSError:
            return False
        self._is_let_go = True
        logger.error("the disk of the database is full: its reserve was removed")
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
    """Why nothing new can be stored: a problem of the disk of pictures, or of the database."""
    return media_problem() or process().part(DatabaseRoom).problem()


def storage_problems() -> list[str]:
    """Messages about problems of disks, for people; usually none."""
    found = {media_problem(), process().part(DatabaseRoom).problem()} - {None}
    return sorted(storage_refusal(problem).message for problem in found if problem)


def _reserve() -> Path:
    return database_folder() / "reserve"
