"""Real worker processes for tests, and checks of their jobs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings

from accounts.models import AuditEntry
from recognition.jobs.models import Job
from recognition.jobs.services import job_start
from tests.factories import ACTOR
from tests.programs import Program
from tests.recognition.jobs.kinds_for_tests import STEP

LEASE_S = 1.5

Worker = Program
StartWorker = Callable[..., Worker]


def start_worker_process(
    database_url: str, folder: Path, *, module: str = "tests.recognition.jobs.work", **more: str
) -> Worker:
    """Start a worker, and return when it waits for jobs. more: variables of its environment."""
    environment = {
        **os.environ,
        "DATABASE_URL": database_url,
        "FACEREC_VAR": str(folder),
        "LEASE_S": str(LEASE_S),
        "SECRET_KEY": settings.SECRET_KEY,
        **more,
    }
    worker = Program(module, environment=environment)
    told = worker.stdout.readline()
    # One that is to be killed may take its job, and be killed, before it says that it runs.
    assert "runs jobs on test" in told or (not told and "KILL_AT" in more)
    return worker


def start_job(kind: str = "count", **parameters: Any) -> Job:
    return job_start(kind=kind, actor=ACTOR, parameters=parameters)


def wait_for(condition: Callable[[], Any], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, list(Job.objects.values())
        time.sleep(0.02)


def steps_of(job: Job, pid: int | None = None) -> int:
    entries = AuditEntry.objects.filter(action=STEP, target_id=str(job.pk))
    return (entries if pid is None else entries.filter(actor=f"pid:{pid}")).count()


def state_of(job: Job) -> str:
    return Job.objects.values_list("state", flat=True).get(pk=job.pk)


def has_begun(job: Job) -> bool:
    return state_of(job) != Job.State.QUEUED


def has_ended(job: Job) -> bool:
    return state_of(job) in (Job.State.DONE, Job.State.FAILED, Job.State.CANCELLED)
