"""The outbox: what happened, who must be told, and how each delivery went."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.db import models

from recognition.notices.addresses import LONGEST_URL
from recognition.notices.signing import new_secret
from recognition.web.identifiers import uuid7
from recognition.web.leases import DatabaseTime, Leased


class Notice(models.Model):
    """Something that happened, written in the same transaction. A notice has only ids. Names are
    read when it is sent, so that an erased person leaves nothing here."""

    kind = models.CharField(max_length=32)
    subject_id = models.UUIDField(help_text="The event, person or job that it is about.")
    # Not a foreign key: notices must not depend on people, and they outlive collections.
    collection_id = models.UUIDField(null=True)
    related = models.JSONField(default=dict, help_text="Lists of other ids, by name.")
    created_at = models.DateTimeField(db_default=DatabaseTime(), db_index=True, editable=False)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject_id}"


class Receiver(Leased):
    """One receiver of a sink. The process that sends to it holds its lease, so only one message at
    a time is being sent to it."""

    sink = models.CharField(max_length=16)
    key = models.CharField(max_length=64, help_text="Identifies the receiver for its sink.")
    next_at = models.DateTimeField(
        null=True,
        db_default=DatabaseTime(),
        help_text="Nothing is sent before this time. Empty: switched off.",
    )
    failures = models.PositiveIntegerField(default=0, help_text="Failed attempts in a row.")
    failing_since = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["sink", "key"], name="receiver_once_per_sink"),
        ]

    def __str__(self) -> str:
        return f"{self.sink} {self.key}"


class Delivery(models.Model):
    """The delivery of one notice to one receiver. Its id is the id of the message."""

    class State(models.TextChoices):
        PENDING = "pending", "Pending"
        DELIVERED = "delivered", "Delivered"
        FAILED = "failed", "Given up"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Empty for a test message, and after the notice is pruned.
    notice = models.ForeignKey(Notice, null=True, on_delete=models.SET_NULL)
    kind = models.CharField(max_length=32, db_index=True)
    # No foreign key constraint in the database: each transaction that writes a notice would lock
    # the receiver's row, while the sender renews its lease on the same row.
    receiver = models.ForeignKey(
        Receiver, on_delete=models.CASCADE, db_constraint=False, related_name="deliveries"
    )
    state = models.CharField(max_length=16, choices=State.choices, default=State.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField(db_default=DatabaseTime(), help_text="Time of the next attempt.")
    created_at = models.DateTimeField(db_default=DatabaseTime(), db_index=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "deliveries"
        indexes = [
            models.Index(fields=["receiver", "state", "next_at"], name="delivery_due"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"


class Attempt(models.Model):
    """An attempt of a delivery, for its log. Only the status of the receiver's answer is kept."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="log")
    number = models.PositiveSmallIntegerField()
    at = models.DateTimeField(db_default=DatabaseTime())
    status = models.PositiveSmallIntegerField(null=True, help_text="HTTP status of the answer.")
    error = models.CharField(max_length=32, blank=True, help_text="Empty for success.")
    message = models.CharField(max_length=200, blank=True)
    duration_ms = models.PositiveIntegerField()

    class Meta:
        ordering = ["number"]

    def __str__(self) -> str:
        return f"attempt {self.number} of {self.delivery_id}"


class Webhook(models.Model):
    """A URL to which notices are sent."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    receiver = models.OneToOneField(Receiver, on_delete=models.CASCADE, editable=False)
    url = models.CharField(max_length=LONGEST_URL, verbose_name="URL")
    # In plain text, because it is needed for signing. The log, lists and answers never show it.
    secret = models.CharField(max_length=64, default=new_secret, editable=False)
    # Not a foreign key, as in Notice.
    collection_id = models.UUIDField(
        null=True, blank=True, help_text="Only notices of this collection."
    )
    kinds = models.JSONField(default=list, blank=True, help_text="The notices to send. Empty: all.")
    is_enabled = models.BooleanField(default=True)
    off_reason = models.CharField(
        max_length=200, blank=True, editable=False, help_text="Why the server switched it off."
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, editable=False
    )
    made_by = models.ForeignKey(
        "accounts.ApiKey",
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        editable=False,
        help_text="The key that added, changed or switched it on last; it ends with it.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.url

    @property
    def has_ended(self) -> bool:
        """True if the key that made it is no longer valid."""
        return self.made_by is not None and not self.made_by.is_valid

    def wants(self, kind: str, collection_id: UUID | None) -> bool:
        """True if notices of this kind and collection are sent to this webhook."""
        is_of_kind = not self.kinds or kind in self.kinds
        return is_of_kind and self.collection_id in (None, collection_id)
