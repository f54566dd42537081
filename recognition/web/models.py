from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.utils import timezone

from recognition.web.identifiers import BinaryCollatedCharField


class IdempotencyRecord(models.Model):
    """The stored answer to a request with an `Idempotency-Key`, for its repetition.

    Answers name people, so erasing a person deletes the records of that person.
    """

    KEPT = timedelta(hours=24)
    # A request without an answer after this time was lost with its process.
    ABANDONED = timedelta(minutes=10)

    caller = models.CharField(max_length=64)
    key = BinaryCollatedCharField(max_length=200)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of address and content.")
    status = models.PositiveSmallIntegerField(null=True, help_text="Empty: still at work.")
    body = models.JSONField(default=dict)
    person_id = models.UUIDField(null=True, db_index=True)
    claimed_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["caller", "key"], name="idempotency_key_once"),
        ]

    def __str__(self) -> str:
        return f"{self.caller} {self.key}"

    @property
    def is_abandoned(self) -> bool:
        return self.status is None and timezone.now() - self.claimed_at > self.ABANDONED

    @classmethod
    def prune(cls) -> int:
        """Delete records older than a day; returns how many."""
        return cls.objects.filter(claimed_at__lt=timezone.now() - cls.KEPT).delete()[0]
