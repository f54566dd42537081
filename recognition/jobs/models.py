"""A job: long work, stored as a row so that it survives the end of requests and processes."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from recognition.web.identifiers import uuid7
from recognition.web.leases import Leased


class Job(Leased):
    """Work of one kind. The worker that runs it holds its lease."""

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    OPEN = (State.QUEUED, State.RUNNING)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=32, editable=False)
    parameters = models.JSONField(default=dict, editable=False)
    # Not a foreign key, because jobs must not depend on people. For API keys of one collection.
    collection_id = models.UUIDField(null=True, editable=False)
    created_by = models.CharField(max_length=200, editable=False, help_text="As in the audit log.")
    # Set while a job of a single kind is open, so that the database refuses a second one.
    unique_key = models.CharField(max_length=100, null=True, unique=True, editable=False)  # noqa: DJ001

    state = models.CharField(
        max_length=16, choices=State.choices, default=State.QUEUED, editable=False
    )
    run_after = models.DateTimeField(editable=False)
    cancel_requested = models.BooleanField(default=False, editable=False)
    runs_again = models.BooleanField(
        default=False, editable=False, help_text="What it reads changed after its last start."
    )
    attempts = models.PositiveSmallIntegerField(
        default=0, editable=False, help_text="Number of attempts."
    )

    progress = models.FloatField(default=0, editable=False, help_text="From 0 to 1.")
    message = models.CharField(max_length=300, blank=True, editable=False)
    log = models.TextField(blank=True, editable=False)
    result = models.JSONField(null=True, editable=False)
    error_code = models.CharField(max_length=64, blank=True, editable=False)

    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(
        null=True, editable=False, help_text="Start of the last attempt."
    )
    ended_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["state", "run_after"]),
            models.Index(fields=["collection_id", "kind"]),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN


class JobOwner(models.Model):
    """A row whose work a job does, such as an import or a training. It stays after its job.

    WAITING: its state until the job closes it.
    """

    WAITING: ClassVar[str]

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    state: models.CharField[str, str]
    job = models.ForeignKey(Job, null=True, on_delete=models.SET_NULL, related_name="+")
    created_by = models.CharField(max_length=200, help_text="As in the audit log.")
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True
        ordering = ["-id"]

    @property
    def is_left(self) -> bool:
        """True if the job has ended without closing the row: it was cancelled before it ran, its
        workers died, or it was deleted."""
        return self.state == self.WAITING and (self.job is None or not self.job.is_open)

    @property
    def is_job_cancelled(self) -> bool:
        return self.job is not None and self.job.state == Job.State.CANCELLED

    @property
    def may_be_cancelled(self) -> bool:
        return self.job is not None and self.job.is_open and not self.job.cancel_requested
