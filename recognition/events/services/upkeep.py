"""Periodic upkeep: remove old events, files without rows, old logs and expired sessions, and train
outdated deciders again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.sessions.models import Session
from django.utils import timezone

from recognition.bulk.services.imports import bulk_sweep
from recognition.cameras.services.minutes import camera_minutes_prune
from recognition.events.services.clips import clips_sweep
from recognition.events.services.events import events_prune
from recognition.events.services.orphans import sweep_orphans
from recognition.events.services.recordings import recordings_sweep
from recognition.events.services.streams import streams_prune
from recognition.jobs.context import JobContext
from recognition.jobs.kinds import JsonObject
from recognition.jobs.services import jobs_prune
from recognition.notices.services.notices import notices_prune
from recognition.people.index import (
    changes_prune,
    gallery_processes_prune,
    snapshots_prune,
    snapshots_refresh,
)
from recognition.people.services.deciders import deciders_retrain
from recognition.people.services.model_changes import model_changes_resume
from recognition.people.services.model_sweep import model_files_sweep
from recognition.training.services.runs import training_sweep
from recognition.web.models import IdempotencyRecord

_SIGN_INS_KEPT = timedelta(days=90)


def upkeep(before: Callable[[float, str], None] = lambda fraction, name: None) -> dict[str, int]:
    """Run all steps once; returns the number of removed rows or files of each step (for `deciders`
    and `model_changes`: the number of jobs started).

    before: called before each step with the fraction that is done and the name of the step. It may
    raise to stop.
    """
    done = {}
    for number, (name, step) in enumerate(_STEPS.items()):
        before(number / len(_STEPS), name)
        done[name] = step()
    return done


def upkeep_job(context: JobContext, parameters: JsonObject) -> JsonObject:
    """The function of the hourly job."""
    done = upkeep(lambda fraction, name: context.progress(fraction, name.replace("_", " ")))
    return {name: count for name, count in done.items() if count}


def _prune_sessions() -> int:
    return Session.objects.filter(expire_date__lt=timezone.now()).delete()[0]


def _prune_sign_ins() -> int:
    """Delete old names and addresses of sign-ins and failed attempts."""
    logs = (AccessAttempt, AccessFailureLog, AccessLog)
    before = timezone.now() - _SIGN_INS_KEPT
    return sum(log.objects.filter(attempt_time__lt=before).delete()[0] for log in logs)


_STEPS: dict[str, Callable[[], int]] = {
    "events": events_prune,
    "clips": clips_sweep,
    "camera_minutes": camera_minutes_prune,
    "files": sweep_orphans,
    "snapshots": snapshots_prune,
    "snapshots_written": snapshots_refresh,
    "gallery_changes": changes_prune,
    "imports": bulk_sweep,
    "idempotency_records": IdempotencyRecord.prune,
    "jobs": jobs_prune,
    "notices": notices_prune,
    "sessions": _prune_sessions,
    "sign_ins": _prune_sign_ins,
    "recordings": recordings_sweep,
    "streams": streams_prune,
    "deciders": deciders_retrain,
    "model_changes": model_changes_resume,
    "models": model_files_sweep,
    "training": training_sweep,
    "gallery_processes": gallery_processes_prune,
}
