from __future__ import annotations

from django.db import models

from recognition.people.models.collection import Collection
from recognition.people.models.model_version import ModelVersion
from recognition.people.models.negative import Negative
from recognition.people.models.person import FaceImage
from recognition.web.identifiers import uuid7
from recognition.web.leases import Leased


class ModelChange(models.Model):
    """The change of a collection from one embedder to another, while everything runs.

    Until the switch, `target` is the collection's candidate; after it, `source` is, so that a
    rollback is a switch as well. The last state removes the data of the model that is not kept.
    Until then both models are complete, for as long as the user wants: cameras may name either.
    """

    class State(models.TextChoices):
        EMBEDDING = "embedding", "Embedding"
        READY = "ready", "Ready"
        SWITCHED = "switched", "Switched"
        ROLLED_BACK = "rolled_back", "Rolled back"
        DONE = "done", "Done"
        CANCELLED = "cancelled", "Cancelled"

    # The new model may be put in force.
    SWITCHABLE = (State.READY, State.ROLLED_BACK)
    # The gallery of the other model is complete: processes load it, and cameras may name it.
    LOADED = (State.READY, State.SWITCHED, State.ROLLED_BACK)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    collection = models.ForeignKey(
        Collection, on_delete=models.CASCADE, related_name="model_changes"
    )
    # A model that is in use is protected by the collection and its templates; a change that is over
    # does not keep it.
    source = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="changes_from")
    target = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="changes_to")
    state = models.CharField(max_length=16, choices=State.choices, default=State.EMBEDDING)
    # Images up to this id, and events up to that one, were embedded or are in the list of losses.
    image_cursor = models.UUIDField(null=True)
    event_cursor = models.UUIDField(null=True)
    images_done = models.PositiveIntegerField(default=0)
    images_total = models.PositiveIntegerField(default=0)
    events_done = models.PositiveIntegerField(default=0)
    events_lost = models.PositiveIntegerField(default=0)
    # Of the gallery, when the candidate was complete: until then no change of its templates is in
    # the log, so that a process that holds an older state of it loads everything.
    ready_revision = models.PositiveBigIntegerField(null=True)
    accepted_losses = models.PositiveIntegerField(
        default=0, help_text="Images that may be lost, as the user has seen and accepted."
    )
    error = models.CharField(max_length=300, blank=True, help_text="Why it cannot be switched.")
    figures = models.JSONField(default=dict, help_text="People who would be missed, by model.")
    created_by = models.CharField(max_length=200, help_text="As in the audit log.")
    created_at = models.DateTimeField(auto_now_add=True)
    # By the clock of the database.
    changed_at = models.DateTimeField(help_text="Time of the last change of its state.")
    ended_at = models.DateTimeField(null=True, help_text="When the old data were removed.")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"change from {self.source} to {self.target}"

    @property
    def is_over(self) -> bool:
        """True if only old data remain to be removed."""
        return self.state in (self.State.DONE, self.State.CANCELLED)

    @property
    def kept(self) -> ModelVersion:
        """The model in force."""
        is_new = self.state in (self.State.SWITCHED, self.State.DONE)
        return self.target if is_new else self.source

    @property
    def other(self) -> ModelVersion:
        """The candidate: the model that is not in force."""
        return self.source if self.kept == self.target else self.target


class ModelChangeLoss(models.Model):
    """A stored face, or a negative, that the candidate cannot embed."""

    # Reasons. A picture that is not there may come back: its folder may only be away.
    NO_FACE = "No face was found in the stored picture."
    NO_FILE = "The stored picture is not there."

    change = models.ForeignKey(ModelChange, on_delete=models.CASCADE, related_name="losses")
    image = models.ForeignKey(FaceImage, null=True, on_delete=models.CASCADE, related_name="+")
    negative = models.ForeignKey(Negative, null=True, on_delete=models.CASCADE, related_name="+")
    reason = models.CharField(max_length=200)

    def __str__(self) -> str:
        return self.reason


class GalleryProcess(Leased):
    """A process that answers searches. Its lease says that it is alive."""

    name = models.CharField(max_length=200, unique=True)

    def __str__(self) -> str:
        return self.name


class LoadedCandidate(models.Model):
    """A process has the gallery and the network of a collection's candidate in memory."""

    process = models.ForeignKey(GalleryProcess, on_delete=models.CASCADE, related_name="loaded")
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="+")
    model = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["process", "collection", "model"], name="candidate_loaded_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model_id} of {self.collection_id} in {self.process_id}"
