"""Kinds of jobs for tests, and how a test sees what they did: each step leaves an audit entry."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from django.db import transaction

from accounts.access import Scope
from accounts.audit import Actor, record
from recognition.jobs.context import JobContext
from recognition.jobs.kinds import JsonObject, Kind
from recognition.web.errors import ServiceError

STEP = "test.step"
_HERE = __name__

TEST_KINDS = {
    "count": Kind(run=f"{_HERE}.count", title="Count", retry_after_s=0.1),
    "count_on": Kind(run=f"{_HERE}.count", title="Count on", max_attempts=50),
    "count_long": Kind(run=f"{_HERE}.count", title="Count for long", is_long=True),
    "sleep": Kind(run=f"{_HERE}.sleep", title="Sleep", is_single=True),
    "hold": Kind(run=f"{_HERE}.hold", title="Hold"),
    "die": Kind(run=f"{_HERE}.die", title="Die", max_attempts=2),
    "fail": Kind(run=f"{_HERE}.fail", title="Fail", max_attempts=3, retry_after_s=0.1),
    "refuse": Kind(run=f"{_HERE}.refuse", title="Refuse"),
    "enrol": Kind(run=f"{_HERE}.count", title="For operators", scope=Scope.ENROL),
}


def count(context: JobContext, parameters: JsonObject) -> JsonObject:
    """steps, pause_s. What a step does and whether the job is still ours are one transaction."""
    steps, pause_s = int(str(parameters["steps"])), float(str(parameters["pause_s"]))
    for step in range(steps):
        time.sleep(pause_s)
        _step(context, step)
        context.progress((step + 1) / steps, f"Step {step + 1} of {steps}")
    context.log(f"{steps} steps")
    return {"steps": steps, "pid": os.getpid()}


def sleep(context: JobContext, parameters: JsonObject) -> JsonObject:
    """One long step, in which the job does not call `check`."""
    _step(context, 0)
    time.sleep(float(str(parameters["pause_s"])))
    context.check()
    _step(context, 1)
    return {"pid": os.getpid()}


def hold(context: JobContext, parameters: JsonObject) -> JsonObject:
    """Stay in a transaction for a while. The file `marker` shows that it has begun."""
    with transaction.atomic():
        context.check()
        Path(str(parameters["marker"])).touch()
        time.sleep(float(str(parameters["pause_s"])))
    return {"pid": os.getpid()}


def die(context: JobContext, parameters: JsonObject) -> JsonObject:
    _step(context, 0)
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def fail(context: JobContext, parameters: JsonObject) -> JsonObject:
    _step(context, 0)
    raise RuntimeError("no luck")


def refuse(context: JobContext, parameters: JsonObject) -> JsonObject:
    status = int(str(parameters.get("status", 409)))
    raise ServiceError("too_few_people", "There are too few people.", status=status)


def _step(context: JobContext, step: int) -> None:
    with transaction.atomic():
        context.check()
        actor = Actor(f"pid:{os.getpid()}")
        record(actor, STEP, target_id=context.job_id, step=step, attempt=context.attempt)
