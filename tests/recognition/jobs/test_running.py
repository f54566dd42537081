"""A job from its lease to its end, in one process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from accounts.models import AuditEntry
from ml_engine.types import WeightsUnavailable
from recognition.jobs import context as context_module
from recognition.jobs import running
from recognition.jobs.context import LONGEST_LOG, JobCancelled, JobContext, WorkerStopping
from recognition.jobs.kinds import KINDS, JsonObject, Kind
from recognition.jobs.models import Job
from recognition.jobs.payloads import job_detail
from recognition.jobs.running import _told, run_next
from recognition.jobs.services import job_cancel, job_start
from recognition.web.identifiers import uuid7
from recognition.web.leases import DatabaseTime, KeptLease, LeaseLost, renew, take
from tests.factories import ACTOR
from tests.recognition.jobs.kinds_for_tests import STEP
from tests.recognition.jobs.runs import run_jobs

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("kinds_for_tests")]


def start(kind: str = "count", **parameters: Any) -> Job:
    return job_start(kind=kind, actor=ACTOR, parameters={"steps": 2, "pause_s": 0, **parameters})


def make_due() -> None:
    Job.objects.filter(state=Job.State.QUEUED).update(run_after=timezone.now())


@pytest.fixture
def context() -> JobContext:
    """Of a job that this process owns."""
    job = start()
    rows = Job.objects.filter(pk=job.pk)
    lease = take(rows, owner="me", state=Job.State.RUNNING)
    assert lease is not None
    return JobContext(rows.get(), KeptLease(rows, lease, lambda: None), threading.Event())


def test_job_runs_to_its_end_with_progress_log_and_result() -> None:
    start()
    assert run_jobs() == 1
    job = Job.objects.get()
    assert (job.state, job.progress, job.attempts) == ("done", 1.0, 1)
    assert job.result is not None
    assert job.result["steps"] == 2
    assert "Attempt 1 of 3 in " in job.log
    assert "2 steps" in job.log
    assert (job.owner, job.unique_key, job.error_code) == ("", None, "")
    assert job.started_at is not None
    assert job.ended_at is not None
    assert job.created_at <= job.started_at <= job.ended_at


def test_jobs_run_in_the_order_in_which_they_were_started() -> None:
    jobs = [start() for _ in range(3)]
    run_jobs()
    assert [job.pk for job in Job.objects.order_by("ended_at")] == [job.pk for job in jobs]


def during_the_first_run(monkeypatch: pytest.MonkeyPatch, act: Callable[[Job], object]) -> None:
    """Call `act` while the first job of kind `sleep` runs."""
    waiting = [act]

    def sleep(context: JobContext, parameters: JsonObject) -> JsonObject:
        while waiting:
            waiting.pop()(Job.objects.get(pk=context.job_id))
        context.check()
        return {}

    monkeypatch.setitem(KINDS, "sleep", Kind(run="", title="Sleep", is_single=True))
    monkeypatch.setattr(Kind, "load", lambda kind: sleep)


def test_single_job_whose_input_changes_while_it_runs_runs_once_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    during_the_first_run(
        monkeypatch,
        lambda job: job_start(
            kind="sleep", actor=ACTOR, collection=job.collection_id, is_input_new=True
        ),
    )
    job = job_start(kind="sleep", actor=ACTOR, collection=uuid7(), parameters={"a": 1})
    assert run_jobs() == 2
    again = Job.objects.exclude(pk=job.pk).get()
    assert (again.state, again.collection_id) == ("done", job.collection_id)
    assert (again.parameters, again.created_by) == (job.parameters, job.created_by)
    assert run_jobs() == 0


def test_single_job_whose_input_changes_before_it_starts_runs_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    during_the_first_run(monkeypatch, lambda job: None)
    job = job_start(kind="sleep", actor=ACTOR)
    assert job_start(kind="sleep", actor=ACTOR, is_input_new=True) == job
    assert run_jobs() == 1


def test_job_that_is_cancelled_does_not_run_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    def change_and_cancel(job: Job) -> None:
        job_start(kind="sleep", actor=ACTOR, is_input_new=True)
        job_cancel(job=job, actor=ACTOR)

    during_the_first_run(monkeypatch, change_and_cancel)
    job_start(kind="sleep", actor=ACTOR)
    assert run_jobs() == 1
    assert Job.objects.get().state == "cancelled"


def test_single_job_whose_input_changes_after_it_is_cancelled_runs_once_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def cancel_and_change(job: Job) -> None:
        job_cancel(job=job, actor=ACTOR)
        job_start(kind="sleep", actor=ACTOR, is_input_new=True)

    during_the_first_run(monkeypatch, cancel_and_change)
    job = job_start(kind="sleep", actor=ACTOR)
    assert run_jobs() == 2
    job.refresh_from_db()
    again = Job.objects.exclude(pk=job.pk).get()
    assert (job.state, again.state) == ("cancelled", "done")
    noted = AuditEntry.objects.get(action="job.start", target_id=str(again.pk))
    assert (noted.actor, noted.details) == (ACTOR.name, {"kind": "sleep"})


@pytest.mark.parametrize(
    ("lost", "state"),
    [({"attempts": 3}, "failed"), ({"attempts": 1, "cancel_requested": True}, "cancelled")],
    ids=["last attempt", "cancelled"],
)
def test_single_job_that_ends_without_its_function_leaves_new_input_to_the_next_one(
    monkeypatch: pytest.MonkeyPatch, lost: dict[str, Any], state: str
) -> None:
    """Its worker died after the input changed."""
    during_the_first_run(monkeypatch, lambda job: None)
    job = job_start(kind="sleep", actor=ACTOR)
    Job.objects.update(
        state=Job.State.RUNNING, owner="dead", lease_until=DatabaseTime(-1), runs_again=True, **lost
    )
    assert run_jobs() == 2
    job.refresh_from_db()
    assert job.state == state
    assert Job.objects.exclude(pk=job.pk).get().state == "done"


def test_single_job_that_is_taken_over_reads_the_new_input_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    during_the_first_run(monkeypatch, lambda job: None)
    job_start(kind="sleep", actor=ACTOR)
    Job.objects.update(
        state=Job.State.RUNNING, owner="dead", lease_until=DatabaseTime(-1), attempts=1,
        runs_again=True,
    )  # fmt: skip
    assert run_jobs() == 1
    assert Job.objects.get().state == "done"


def test_job_waits_until_it_is_due() -> None:
    start()
    Job.objects.update(run_after=DatabaseTime(60))
    assert run_jobs() == 0


def test_failed_attempt_is_tried_again_later_each_time_and_then_given_up() -> None:
    start("fail")
    waits = []
    for _ in range(2):
        assert run_jobs() == 1
        job = Job.objects.get()
        assert (job.state, job.error_code, job.owner) == ("queued", "error", "")
        waits.append((job.run_after - timezone.now()).total_seconds())
        make_due()
    assert waits[0] < 0.1 <= 0.1 + waits[0] < waits[1] + 0.1
    assert run_jobs() == 1
    job = Job.objects.get()
    assert (job.state, job.attempts, job.error_code) == ("failed", 3, "error")
    assert job.message == "RuntimeError: no luck"
    assert job.log.count("no luck") == 3
    assert job_detail(job)["error"] == {"code": "error", "message": "RuntimeError: no luck"}


def test_refusal_ends_a_job_at_once() -> None:
    start("refuse")
    run_jobs()
    job = Job.objects.get()
    assert (job.state, job.attempts, job.error_code) == ("failed", 1, "too_few_people")
    assert job.message == "There are too few people."


def test_refusal_that_asks_to_wait_is_tried_again() -> None:
    start("refuse", status=503)
    run_jobs()
    job = Job.objects.get()
    assert (job.state, job.attempts) == ("queued", 1)


def test_job_that_loses_the_database_is_tried_again_without_an_error_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def lose(context: JobContext, parameters: Any) -> Any:
        raise OperationalError(2013, "Lost connection to server during query")

    monkeypatch.setattr(connection, "is_usable", lambda: False)
    monkeypatch.setattr(Kind, "load", lambda self: lose)
    start("fail")
    run_jobs()
    job = Job.objects.get()
    assert (job.state, job.error_code) == ("queued", "database_unavailable")
    assert "ERROR" not in caplog.text


def test_lapsed_job_is_taken_over_and_its_attempt_counts() -> None:
    start()
    Job.objects.update(
        state=Job.State.RUNNING, owner="dead", lease_until=DatabaseTime(-1), attempts=1,
        lease_number=1,
    )  # fmt: skip
    assert run_jobs() == 1
    job = Job.objects.get()
    assert (job.state, job.attempts, job.lease_number) == ("done", 2, 2)


def test_job_that_ended_its_workers_fails_with_that_reason() -> None:
    start()
    Job.objects.update(
        state=Job.State.RUNNING, owner="dead", lease_until=DatabaseTime(-1), attempts=3
    )
    run_jobs()
    job = Job.objects.get()
    assert (job.state, job.attempts, job.error_code) == ("failed", 3, "worker_lost")
    assert "3 times" in job.message
    assert not AuditEntry.objects.filter(action=STEP).exists()


def test_job_of_a_live_worker_is_left_alone() -> None:
    start()
    Job.objects.update(
        state=Job.State.RUNNING, owner="alive", lease_until=DatabaseTime(5), attempts=1
    )
    assert run_jobs() == 0


def test_lapsed_job_that_was_cancelled_is_not_run_again() -> None:
    job = start()
    Job.objects.update(
        state=Job.State.RUNNING, owner="dead", lease_until=DatabaseTime(-1), attempts=1
    )
    job_cancel(job=job, actor=ACTOR)
    run_jobs()
    assert Job.objects.get().state == Job.State.CANCELLED
    assert not AuditEntry.objects.filter(action=STEP).exists()


def test_job_of_a_kind_that_is_gone_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    start()
    monkeypatch.delitem(KINDS, "count")
    assert run_jobs() == 0
    assert job_detail(Job.objects.get())["title"] == "count"


def test_worker_that_stops_gives_its_job_back_uncounted(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(context: JobContext, parameters: Any) -> Any:
        raise WorkerStopping

    monkeypatch.setattr(Kind, "load", lambda self: stopped)
    start()
    run_next(["count"], threading.Event())
    job = Job.objects.get()
    assert (job.state, job.attempts, job.owner) == ("queued", 0, "")


def test_cancelled_job_stops_at_its_next_step(context: JobContext) -> None:
    job_cancel(job=Job.objects.get(), actor=ACTOR)
    with pytest.raises(JobCancelled):
        context.check()


def test_stopping_worker_stops_at_the_next_step(context: JobContext) -> None:
    context._stopping.set()
    for step in (context.check, lambda: context.progress(0.5), lambda: context.log("x")):
        with pytest.raises(WorkerStopping):
            step()


def test_step_of_a_job_that_was_taken_over_is_refused(context: JobContext) -> None:
    Job.objects.update(owner="another", lease_number=2)
    with pytest.raises(LeaseLost):
        context.check()
    assert Job.objects.get().log == ""


def test_progress_stays_between_0_and_1_and_is_not_written_at_each_call(
    context: JobContext,
) -> None:
    context.progress(-1, "x" * 400)
    job = Job.objects.get()
    assert (job.progress, job.message) == (0, "x" * 300)
    context.progress(7)
    assert Job.objects.get().progress == 0
    context.check()
    assert Job.objects.get().progress == 1


def test_log_keeps_its_newest_lines(context: JobContext) -> None:
    for number in range(100):
        context.note(f"line {number} " + "x" * 2000)
    context.check()
    log = Job.objects.get().log
    assert len(log) <= LONGEST_LOG + 2
    assert log.startswith("…\n2")
    assert "line 99 " in log
    assert "line 0 " not in log


class Away:
    """A call that fails the first times because the database is away."""

    def __init__(self, call: Any, times: int) -> None:
        self.call, self.times, self.tries = call, times, 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.tries += 1
        if self.tries <= self.times:
            raise OperationalError(2006, "gone away")
        return self.call(*args, **kwargs)


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context_module, "_ASK_EVERY_S", 0.01)


def test_progress_does_not_wait_for_a_database_that_is_away(
    context: JobContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context_module, "renew", Away(renew, 99))
    context.progress(0.5)


def test_check_waits_for_a_database_that_is_away(
    context: JobContext, monkeypatch: pytest.MonkeyPatch, no_pauses: None
) -> None:
    away = Away(renew, 2)
    monkeypatch.setattr(context_module, "renew", away)
    context.check()
    assert away.tries == 3


def test_check_within_a_transaction_does_not_wait(
    context: JobContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context_module, "renew", Away(renew, 1))
    with pytest.raises(OperationalError), transaction.atomic():
        context.check()


def test_long_outage_comes_out_as_its_error(
    context: JobContext, monkeypatch: pytest.MonkeyPatch, no_pauses: None
) -> None:
    monkeypatch.setattr(context_module, "_LONGEST_OUTAGE_S", 0.05)
    monkeypatch.setattr(context_module, "renew", Away(renew, 99))
    with pytest.raises(OperationalError):
        context.check()


def test_worker_that_stops_waits_for_no_database(
    context: JobContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context_module, "renew", Away(renew, 99))
    threading.Timer(0.1, context._stopping.set).start()
    with pytest.raises(WorkerStopping):
        context.check()


def test_outcome_is_written_once_the_database_is_back(
    monkeypatch: pytest.MonkeyPatch, no_pauses: None
) -> None:
    end = Away(running._end, 2)
    monkeypatch.setattr(running, "_end", end)
    start()
    run_jobs()
    assert Job.objects.get().state == Job.State.DONE
    assert end.tries == 3


def test_late_outcome_of_a_job_that_was_taken_over_is_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def taken_over(context: JobContext, parameters: Any) -> Any:
        Job.objects.update(owner="another", lease_number=9, message="at work")
        return {"late": True}

    monkeypatch.setattr(Kind, "load", lambda self: taken_over)
    start()
    run_next(["count"], threading.Event())
    job = Job.objects.get()
    assert (job.state, job.owner, job.message, job.result) == (
        "running",
        "another",
        "at work",
        None,
    )


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (FileNotFoundError(2, "No such file or directory", "/srv/media/a.jpg"), "No such file"),
        (WeightsUnavailable("m.tflite is missing.", detail="in /srv/weights"), "is missing"),
        (RuntimeError("no luck"), "RuntimeError: no luck"),
    ],
)
def test_failure_is_told_without_folders_of_the_machine(error: Exception, told: str) -> None:
    assert told in _told(error)
    assert "/srv" not in _told(error)
