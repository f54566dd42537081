"""Workers whose database goes away and comes back."""

from __future__ import annotations

import time

import pytest
from django.db import connection

from recognition.jobs.models import Job
from tests.databases import line_to_database, locked_sqlite
from tests.recognition.jobs.workers import (
    LEASE_S,
    StartWorker,
    has_ended,
    start_job,
    steps_of,
    wait_for,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("kinds_for_tests")]

on_a_server = pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has no server")
on_a_file = pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite is a file")


@on_a_server
def test_job_goes_on_when_the_database_was_away_for_a_moment(start_worker: StartWorker) -> None:
    """An outage shorter than the lease: the step during it fails, and the next attempt succeeds."""
    with line_to_database() as line:
        worker = start_worker(port=line.port)
        job = start_job(steps=20, pause_s=0.05)
        wait_for(lambda: steps_of(job) >= 3)
        line.cut()
        time.sleep(LEASE_S / 3)
        line.mend()
        wait_for(lambda: has_ended(job))
        job.refresh_from_db()
        assert job.state == Job.State.DONE, job.log
        assert job.result == {"steps": 20, "pid": worker.pid}
        assert worker.poll() is None


@on_a_server
def test_long_step_survives_a_database_that_was_away_for_longer_than_the_lease(
    start_worker: StartWorker,
) -> None:
    """No other worker took the job, so this worker still owns it and its result counts."""
    with line_to_database() as line:
        worker = start_worker(port=line.port)
        job = start_job("sleep", pause_s=4 * LEASE_S)
        wait_for(lambda: steps_of(job) == 1)
        line.cut()
        time.sleep(2 * LEASE_S)
        line.mend()
        wait_for(lambda: has_ended(job))
        job.refresh_from_db()
        assert (job.state, job.attempts) == (Job.State.DONE, 1), job.log
        assert job.result == {"pid": worker.pid}


@on_a_server
def test_job_of_a_worker_that_was_cut_off_is_done_by_another(start_worker: StartWorker) -> None:
    with line_to_database() as line:
        cut_off = start_worker(port=line.port)
        job = start_job("sleep", pause_s=3 * LEASE_S)
        wait_for(lambda: steps_of(job) == 1)
        line.cut()
        other = start_worker()
        wait_for(lambda: has_ended(job))
        line.mend()
        next_job = start_job("sleep", pause_s=0)
        wait_for(lambda: has_ended(next_job))
        job.refresh_from_db()
        assert (job.attempts, job.result) == (2, {"pid": other.pid})
        assert steps_of(job, cut_off.pid) == 1
        assert cut_off.poll() is None


@on_a_server
def test_idle_worker_waits_for_the_database(start_worker: StartWorker) -> None:
    with line_to_database() as line:
        worker = start_worker(port=line.port)
        line.cut()
        time.sleep(2.5)
        line.mend()
        job = start_job(steps=1, pause_s=0)
        wait_for(lambda: has_ended(job))
        assert steps_of(job, worker.pid) == 1


@on_a_file
def test_job_is_done_when_the_file_was_locked_for_long(start_worker: StartWorker) -> None:
    worker = start_worker()
    job = start_job(steps=20, pause_s=0.05)
    wait_for(lambda: steps_of(job) >= 3)
    with locked_sqlite():
        time.sleep(3 * LEASE_S)
    wait_for(lambda: has_ended(job))
    job.refresh_from_db()
    assert job.state == Job.State.DONE, job.log
    assert job.result == {"steps": 20, "pid": worker.pid}
    assert worker.poll() is None
