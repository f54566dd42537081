"""What is to be done now and then: old events, files without rows, logs that nobody reads,
sessions that are over, deciders that are out of date."""

from __future__ import annotations

from datetime import datetime, timedelta

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.sessions.models import Session
from django.utils import timezone

from recognition.events.services.events import events_prune
from recognition.events.services.orphans import sweep_orphans
from recognition.people.index import changes_prune
from recognition.people.services.deciders import deciders_retrain
from recognition.web.models import IdempotencyRecord

_SIGN_INS_KEPT = timedelta(days=90)


def upkeep() -> dict[str, int]:
    """Do all of it once; returns how much was removed (of deciders: trained). Run at the start, and
    every hour."""
    now = timezone.now()
    return {
        "events": events_prune(),
        "files": sweep_orphans(),
        "gallery_changes": changes_prune(),
        "idempotency_records": IdempotencyRecord.prune(),
        "sessions": Session.objects.filter(expire_date__lt=now).delete()[0],
        "sign_ins": _prune_sign_ins(now - _SIGN_INS_KEPT),
        # Last: it may take a minute for each, and nothing should wait for it.
        "deciders": deciders_retrain(),
    }


def _prune_sign_ins(before: datetime) -> int:
    """Names and addresses of who signed in, or tried to."""
    logs = (AccessAttempt, AccessFailureLog, AccessLog)
    return sum(log.objects.filter(attempt_time__lt=before).delete()[0] for log in logs)
