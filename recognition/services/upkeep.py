"""What is to be done now and then: old events, files without rows, logs that nobody reads,
sessions that are over."""

from __future__ import annotations

from django.contrib.sessions.models import Session
from django.utils import timezone

from recognition.gallery import changes_prune
from recognition.models import IdempotencyRecord
from recognition.services.events import events_prune
from recognition.services.files import sweep_orphans


def upkeep() -> dict[str, int]:
    """Do all of it once; returns how much was removed. Run at the start, and every hour."""
    return {
        "events": events_prune(),
        "files": sweep_orphans(),
        "gallery_changes": changes_prune(),
        "idempotency_records": IdempotencyRecord.prune(),
        "sessions": Session.objects.filter(expire_date__lt=timezone.now()).delete()[0],
    }
