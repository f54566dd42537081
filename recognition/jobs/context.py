"""The context of a job's function: for reporting progress, and for learning if it must stop."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection

from accounts.audit import Actor
from recognition.jobs.models import Job
from recognition.jobs.payloads import job_publish
from recognition.web.errors import not_found
from recognition.web.leases import KeptLease, LeaseLost, renew

logger = logging.getLogger(__name__)

# A function may report progress at any rate; it is written at most this often.
_WRITE_EVERY_S = 0.5
_ASK_EVERY_S = 1.0
_LONGEST_OUTAGE_S = 600.0
_LONGEST_MESSAGE = 300
_LONGEST_LINE = 1000
# The log keeps its newest part.
LONGEST_LOG = 20_000


class JobCancelled(Exception):
    """A user cancelled the job."""


class WorkerStopping(Exception):
    """The process ends: the job goes back to the queue, and this attempt does not count."""


def when_database_is_back(act: Callable[[], None], stopping: threading.Event) -> None:
    """Run `act`, and repeat it while the database is away. Gives up silently if the process ends,
    and with the database's error after an outage of ten minutes."""
    deadline = time.monotonic() + _LONGEST_OUTAGE_S
    while True:
        try:
            return act()
        except (OperationalError, InterfaceError) as error:
            if time.monotonic() > deadline:
                raise
            logger.warning("a job waits for the database: %s", error)
            connection.close()
        if stopping.wait(_ASK_EVERY_S):
            return None


class JobContext:
    """One attempt at a job. After another worker takes over the job, all writes are refused."""

    def __init__(self, job: Job, kept: KeptLease, stopping: threading.Event) -> None:
        self._job = job
        self._kept = kept
        self._stopping = stopping
        self._rows = Job.objects.filter(pk=job.pk)
        self._written_s = 0.0

    @property
    def job_id(self) -> UUID:
        return self._job.pk

    @property
    def collection_id(self) -> UUID:
        """ServiceError 404 if the job was started without a collection."""
        if self._job.collection_id is None:
            raise not_found("collection")
        return self._job.collection_id

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1. Earlier attempts may have stored something."""
        return self._job.attempts

    @property
    def actor(self) -> Actor:
        """Who started the job, for the audit log."""
        return Actor(self._job.created_by)

    @property
    def log_text(self) -> str:
        return self._job.log

    def progress(self, fraction: float, message: str = "") -> None:
        """Report the fraction that is done, from 0 to 1, and what the job is doing. This is a step:
        it raises the same exceptions as `check`, but does not wait while the database is away."""
        self._job.progress = min(1.0, max(0.0, fraction))
        self._job.message = message[:_LONGEST_MESSAGE]
        self._step()

    def log(self, line: str) -> None:
        """Add a line to the job's log. This is a step, like `progress`."""
        self.note(line)
        self._step()

    def check(self) -> None:
        """Ask if the job should go on. Call it after work that took long, and first in each
        transaction that stores something: then no other worker can take the job before the
        transaction ends. Outside of a transaction it waits while the database is away.

        Raises LeaseLost, JobCancelled or WorkerStopping. Do not catch them."""
        self._check_here()
        if connection.in_atomic_block:
            self._write()
        else:
            when_database_is_back(self._write, self._stopping)
            self._check_here()

    def begin(self) -> None:
        """Called once, before the function, which reads what has changed so far. A job that ends
        without its function leaves that to the next job. Otherwise like `check`."""
        self.check()
        if self._job.runs_again:
            rows = self._rows.filter(cancel_requested=False)
            # If the job was cancelled or is lost meanwhile, the next step raises that.
            renew(rows, self._kept.lease, runs_again=False)

    def note(self, line: str) -> None:
        """Add a line that is written with the next step."""
        now = datetime.now(UTC).isoformat(sep=" ", timespec="seconds").removesuffix("+00:00")
        text = f"{self._job.log}{now} {line[:_LONGEST_LINE]}\n"
        if len(text) > LONGEST_LOG:
            text = "…\n" + text[-LONGEST_LOG:].partition("\n")[2]
        self._job.log = text

    def _check_here(self) -> None:
        self._kept.check()
        if self._stopping.is_set():
            raise WorkerStopping

    def _step(self) -> None:
        self._check_here()
        if time.monotonic() - self._written_s < _WRITE_EVERY_S:
            return
        try:
            self._write()
        except (OperationalError, InterfaceError) as error:
            if connection.in_atomic_block:
                raise
            logger.warning("a job could not write its progress: %s", error)
            connection.close()

    def _write(self) -> None:
        job = self._job
        changes = {"progress": job.progress, "message": job.message, "log": job.log}
        if not renew(self._rows, self._kept.lease, **changes):
            raise LeaseLost
        self._written_s = time.monotonic()
        job.cancel_requested = self._rows.values_list("cancel_requested", flat=True).get()
        job_publish(job)
        if job.cancel_requested:
            raise JobCancelled
