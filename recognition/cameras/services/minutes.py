"""How cameras did, a row a minute."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.utils import timezone

from recognition.cameras.models import Camera, CameraMinute
from recognition.web.transactions import in_transaction

_KEPT = timedelta(days=7)


def camera_minutes_add(minutes: Sequence[CameraMinute]) -> None:
    """Write the minute of several cameras, in one statement; cameras that are gone are left out."""

    def add() -> None:
        there = Camera.objects.filter(pk__in=[minute.camera_id for minute in minutes])
        known = set(there.values_list("pk", flat=True))
        CameraMinute.objects.bulk_create([one for one in minutes if one.camera_id in known])

    in_transaction(add)


def camera_minutes_prune() -> int:
    """Delete old ones; returns how many. Ids rise with time, so only the rows that go are read."""
    kept = CameraMinute.objects.filter(at__gte=timezone.now() - _KEPT).order_by("pk").first()
    old = CameraMinute.objects.filter(pk__lt=kept.pk) if kept else CameraMinute.objects.all()
    return old.delete()[0]
