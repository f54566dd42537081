"""Real worker processes that are killed, paused, doubled, stopped, or lose their database."""

from __future__ import annotations

import os
import random
import signal
import time
from functools import partial
from pathlib import Path

import pytest
from django.db import connection

from accounts.models import AuditEntry
from recognition.jobs.models import Job
from recognition.jobs.services import job_cancel
from tests.databases import pause
from tests.factories import ACTOR
from tests.recognition.jobs.kinds_for_tests import STEP
from tests.recognition.jobs.workers import (
    LEASE_S,
    StartWorker,
    has_begun,
    has_ended,
    start_job,
    state_of,
    steps_of,
    wait_for,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("kinds_for_tests")]


def _is_under_way(job: Job, steps: int) -> bool:
    return steps_of(job) >= steps and has_begun(job)


def test_jobs_survive_workers_that_are_killed_and_paused_at_random(
    start_worker: StartWorker,
) -> None:
    """One of two workers is killed, or paused for longer than its lease, KILL_ROUNDS (3) times."""
    workers = [start_worker(), start_worker()]
    jobs = []
    for turn in range(int(os.environ.get("KILL_ROUNDS", "3"))):
        job = start_job("count_on", steps=20, pause_s=0.02)
        jobs.append(job)
        steps = random.randrange(20)
        wait_for(partial(_is_under_way, job, steps))
        time.sleep(random.uniform(0, 0.03))
        worker = workers.pop(turn % 2)
        if random.random() < 0.5:
            pause(worker)
            time.sleep(LEASE_S * random.uniform(1.1, 2))
            worker.send_signal(signal.SIGCONT)
            workers.insert(turn % 2, worker)
        else:
            worker.kill()
            workers.insert(turn % 2, start_worker())
    for job in jobs:
        wait_for(partial(has_ended, job))
        assert_done_by_one_attempt_after_the_other(job)


def assert_done_by_one_attempt_after_the_other(job: Job) -> None:
    """No attempt wrote after the next one had begun, and the last one did all steps."""
    job.refresh_from_db()
    assert job.state == Job.State.DONE, job.log
    entries = AuditEntry.objects.filter(action=STEP, target_id=job.pk).order_by("pk")
    attempts = [entry.details["attempt"] for entry in entries]
    assert attempts == sorted(attempts)
    assert attempts.count(job.attempts) == 20


def test_paused_worker_that_wakes_after_its_lease_writes_nothing(start_worker: StartWorker) -> None:
    paused = start_worker()
    job = start_job(steps=30, pause_s=0.1)
    wait_for(lambda: steps_of(job) >= 3)
    pause(paused)
    done = steps_of(job, paused.pid)
    other = start_worker()
    wait_for(lambda: steps_of(job, other.pid) >= 3)
    paused.send_signal(signal.SIGCONT)
    wait_for(lambda: has_ended(job))
    job.refresh_from_db()
    assert steps_of(job, paused.pid) == done
    assert steps_of(job, other.pid) == 30
    assert (job.result, job.attempts) == ({"steps": 30, "pid": other.pid}, 2)
    # It goes on with other jobs.
    other.kill()
    next_job = start_job(steps=1, pause_s=0)
    wait_for(lambda: steps_of(next_job, paused.pid) == 1)


def test_paused_worker_that_wakes_after_the_job_was_done_changes_nothing(
    start_worker: StartWorker,
) -> None:
    """It wakes in a long step without `check`, and then tries to store something."""
    paused = start_worker()
    job = start_job("sleep", pause_s=0.5)
    wait_for(lambda: steps_of(job) == 1)
    pause(paused)
    other = start_worker()
    wait_for(lambda: has_ended(job))
    job.refresh_from_db()
    paused.send_signal(signal.SIGCONT)
    time.sleep(1.5)
    assert Job.objects.values().get() == Job.objects.filter(pk=job.pk).values().get()
    assert Job.objects.get().result == {"pid": other.pid}
    assert Job.objects.get().ended_at == job.ended_at
    assert steps_of(job, paused.pid) == 1


@pytest.mark.skipif(connection.vendor == "sqlite", reason="its lock is on the whole file")
def test_worker_paused_within_a_transaction_holds_up_no_other(
    start_worker: StartWorker, tmp_path: Path
) -> None:
    paused = start_worker()
    marker = tmp_path / "within"
    job = start_job("hold", marker=str(marker), pause_s=0.5)
    wait_for(marker.exists)
    paused.send_signal(signal.SIGSTOP)
    other = start_worker()
    wait_for(lambda: has_ended(job))
    paused.send_signal(signal.SIGCONT)
    job.refresh_from_db()
    assert job.result == {"pid": other.pid}
    next_job = start_job(steps=1, pause_s=0)
    wait_for(lambda: has_ended(next_job))
    assert paused.poll() is None


def test_long_step_keeps_its_lease(start_worker: StartWorker) -> None:
    start_worker(), start_worker()
    job = start_job("sleep", pause_s=2.5 * LEASE_S)
    wait_for(lambda: has_ended(job))
    job.refresh_from_db()
    assert (job.state, job.attempts, job.lease_number) == (Job.State.DONE, 1, 1)


def test_two_workers_run_each_job_once(start_worker: StartWorker) -> None:
    workers = [start_worker(), start_worker()]
    jobs = [start_job(steps=1, pause_s=0.005) for _ in range(40)]
    wait_for(lambda: all(has_ended(job) for job in jobs))
    assert all(steps_of(job) == 1 for job in jobs)
    assert set(Job.objects.values_list("state", "attempts")) == {("done", 1)}
    shares = [sum(steps_of(job, worker.pid) for job in jobs) for worker in workers]
    assert sum(shares) == 40
    assert min(shares) > 0


def test_job_that_kills_its_workers_fails_with_that_reason(start_worker: StartWorker) -> None:
    job = start_job("die")
    for _ in range(2):
        worker = start_worker()
        worker.wait(30)
        assert worker.returncode == -signal.SIGKILL
    last = start_worker()
    wait_for(lambda: has_ended(job))
    job.refresh_from_db()
    assert (job.state, job.error_code, job.attempts) == (Job.State.FAILED, "worker_lost", 2)
    assert steps_of(job) == 2
    assert last.poll() is None


def test_running_job_is_cancelled_at_its_next_step(start_worker: StartWorker) -> None:
    worker = start_worker()
    job = start_job(steps=1000, pause_s=0.05)
    wait_for(lambda: steps_of(job) >= 2)
    job_cancel(job=job, actor=ACTOR)
    wait_for(lambda: has_ended(job), 5)
    job.refresh_from_db()
    assert job.state == Job.State.CANCELLED
    assert job.result is None
    done = steps_of(job)
    next_job = start_job(steps=1, pause_s=0)
    wait_for(lambda: steps_of(next_job, worker.pid) == 1)
    assert steps_of(job) == done


def test_told_worker_gives_its_job_back_and_ends(start_worker: StartWorker) -> None:
    worker = start_worker()
    job = start_job(steps=40, pause_s=0.05)
    wait_for(lambda: steps_of(job) >= 2)
    worker.terminate()
    assert worker.wait(20) == 0
    job.refresh_from_db()
    assert (job.state, job.attempts, job.owner) == (Job.State.QUEUED, 0, "")
    other = start_worker()
    wait_for(lambda: has_ended(job))
    assert steps_of(job, other.pid) == 40


def test_long_kinds_hold_up_no_others(start_worker: StartWorker) -> None:
    start_worker()
    long = start_job("count_long", steps=1000, pause_s=0.05)
    wait_for(lambda: steps_of(long) >= 1)
    job = start_job(steps=1, pause_s=0)
    wait_for(lambda: has_ended(job), 10)
    assert state_of(long) == Job.State.RUNNING
