"""Training runs: what a model is made from, how far it is, and what came of it."""

from __future__ import annotations

from django.db import models

from recognition.cameras.models import Camera
from recognition.jobs.models import JobOwner
from recognition.people.models.collection import Collection
from recognition.people.models.model_version import ModelVersion


class TrainingRun(JobOwner):
    """The training of a network, or the adaptation of a preset to a camera.

    Its pictures are those that were stored before it: ids are in the order of time, so the id of
    the run itself is the limit. It keeps no picture and no list of people.
    """

    class Task(models.TextChoices):
        TRAIN = "train", "Train a network"
        ADAPT = "adapt", "Adapt a preset to a camera"

    class State(models.TextChoices):
        OPEN = "open", "Open"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    WAITING = State.OPEN

    task = models.CharField(max_length=16, choices=Task.choices)
    name = models.CharField(max_length=64, help_text="Of the model that comes of it.")
    licence = models.CharField(max_length=200, blank=True)
    # One of both.
    collection = models.ForeignKey(
        Collection, null=True, on_delete=models.CASCADE, related_name="training_runs"
    )
    folder = models.CharField(max_length=200, blank=True, help_text="In TRAINING_DATA_DIR.")
    camera = models.ForeignKey(
        Camera, null=True, on_delete=models.SET_NULL, related_name="training_runs"
    )
    settings = models.JSONField(help_text="Every option, see `options`.")
    state = models.CharField(max_length=16, choices=State.choices, default=State.OPEN)
    message = models.CharField(max_length=300, blank=True, help_text="Why it failed.")
    stop_step = models.PositiveIntegerField(
        null=True, help_text="It ends with the best so far, at this step or later."
    )
    was_killed = models.BooleanField(default=False, help_text="Its process, once.")
    people = models.PositiveIntegerField(default=0)
    pictures = models.PositiveIntegerField(default=0)
    step = models.PositiveIntegerField(default=0)
    steps = models.PositiveIntegerField(default=0)
    curve = models.JSONField(default=list, help_text="See `ml_engine.training.checkpoint.Judged`.")
    figures = models.JSONField(default=dict, help_text="See `ml_engine.training.child`.")
    record = models.JSONField(default=dict, help_text="From which it can be repeated.")
    model = models.ForeignKey(
        ModelVersion, null=True, on_delete=models.SET_NULL, related_name="training_runs"
    )

    def __str__(self) -> str:
        return self.name

    @property
    def state_now(self) -> str:
        """Its state as its job tells it: the job may end without closing the run, or be started
        again."""
        if self.is_left:
            return self.State.CANCELLED if self.is_job_cancelled else self.State.FAILED
        is_open = self.job is not None and self.job.is_open and self.state != self.State.DONE
        return self.State.OPEN if is_open else self.state
