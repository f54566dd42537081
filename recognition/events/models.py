from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from recognition.bulk.models import Upload
from recognition.cameras.models import Camera, Stream
from recognition.jobs.models import Job
from recognition.people.decisions import Decision
from recognition.people.models.collection import Collection
from recognition.people.models.model_version import ModelVersion
from recognition.people.models.negative import Negative
from recognition.people.models.person import FaceImage, Person
from recognition.web.identifiers import uuid7

# Every browser plays H.264; only some play H.265, on some devices.
_PLAYED_BY_ALL = "h264"


def _snapshot_path(instance: Event, filename: str) -> str:
    return f"events/{str(instance.pk)[-2:]}/{instance.pk}-snapshot.jpg"


def _face_path(instance: Event, filename: str) -> str:
    return f"events/{str(instance.pk)[-2:]}/{instance.pk}-face.jpg"


def _clip_path(instance: Clip, filename: str) -> str:
    return f"clips/{str(instance.pk)[-2:]}/{instance.pk}.mp4"


class Clip(models.Model):
    """The video of a visit, from some seconds before it; of several visits that begin together. Its
    row is made with that of its first event, its file some seconds later.

    begins_at, ends_at: what was wanted, or earlier, if the key frame that it begins with came
    earlier; `seconds` is what came. message: why it was lost.
    """

    class State(models.TextChoices):
        RECORDING = "recording", "Recording"
        READY = "ready", "Ready"
        LOST = "lost", "Lost"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    state = models.CharField(max_length=16, choices=State.choices, default=State.RECORDING)
    message = models.CharField(max_length=200, blank=True)
    begins_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    file = models.FileField(upload_to=_clip_path, max_length=200, blank=True)
    codec = models.CharField(max_length=16, blank=True, help_text="As FFmpeg names it.")
    seconds = models.FloatField(default=0.0)
    bytes = models.PositiveIntegerField(default=0)
    job = models.ForeignKey(
        Job,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Makes it playable.",
    )

    def __str__(self) -> str:
        return f"{self.state} clip of {self.begins_at:%Y-%m-%d %H:%M:%S}"

    @property
    def is_playable(self) -> bool:
        """True if every browser plays it."""
        return self.codec == _PLAYED_BY_ALL


class Event(models.Model):
    """One visit: one track in front of one camera, for any number of frames."""

    Decision = Decision

    class Review(models.TextChoices):
        NONE = "none", "Not reviewed"
        CONFIRMED = "confirmed", "Confirmed"
        REJECTED = "rejected", "Rejected"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="events")
    camera = models.ForeignKey(
        Camera, null=True, blank=True, on_delete=models.SET_NULL, related_name="events"
    )
    stream = models.ForeignKey(
        Stream, null=True, on_delete=models.SET_NULL, related_name="events", editable=False
    )
    person = models.ForeignKey(
        Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="events"
    )
    decision = models.CharField(max_length=16, choices=Decision.choices)
    started_at = models.DateTimeField(db_index=True)
    ended_at = models.DateTimeField(help_text="Last seen.")
    is_open = models.BooleanField(default=True, help_text="False after the face has gone.")
    similarity = models.FloatField(null=True, help_text="The highest of the visit.")
    threshold = models.FloatField(help_text="The threshold at that time.")
    false_match_rate = models.FloatField(null=True)
    # Not a foreign key: it stays after the model is removed.
    decided_by = models.CharField(
        max_length=150, blank=True, help_text="Version of the model that decided: name@hash."
    )
    image = models.ForeignKey(
        FaceImage,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        help_text="The image that matched.",
    )
    # The model that made the vector.
    model = models.ForeignKey(ModelVersion, null=True, on_delete=models.PROTECT)
    negative = models.OneToOneField(
        Negative,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="event",
        help_text="Set while the name is rejected.",
    )
    snapshot = models.FileField(upload_to=_snapshot_path, max_length=200, blank=True)
    face = models.FileField(upload_to=_face_path, max_length=200, blank=True)
    clip = models.ForeignKey(
        Clip, null=True, blank=True, on_delete=models.SET_NULL, related_name="events"
    )
    box = models.JSONField(
        default=list, help_text="The face on the snapshot: [x, y, width, height], each 0 to 1."
    )
    # The template of the face, so that an unknown face can be enrolled or searched for.
    vector = models.BinaryField(null=True)
    quality = models.FloatField(default=0.0)
    review = models.CharField(max_length=16, choices=Review.choices, default=Review.NONE)

    class Meta:
        ordering = ["-id"]
        # Lists are sorted by id. An index on a single column, such as the one of each foreign key,
        # returns rows in order of their ids. No index has several columns and begins with a foreign
        # key, because on MySQL it would replace the index of that key.
        indexes = [
            models.Index(fields=["decision"], name="event_by_decision"),
            models.Index(fields=["review"], name="event_by_review"),
            models.Index(fields=["is_open"], name="event_by_state"),
        ]

    def __str__(self) -> str:
        return f"{self.decision} at {self.started_at:%Y-%m-%d %H:%M:%S}"

    @property
    def who(self) -> str:
        """The name to show for the event. A match without a person means that the person was
        erased."""
        if self.person is None:
            return "Erased" if self.decision == Decision.MATCH else "Nobody known"
        is_rejected = self.review == self.Review.REJECTED
        return f"Not {self.person.name}" if is_rejected else self.person.name

    @property
    def is_named_by_hand(self) -> bool:
        """True if a user gave the name, so that it does not follow from the similarity."""
        is_below = self.similarity is None or self.similarity < self.threshold
        return self.decision == Decision.MATCH and self.person_id is not None and is_below

    @property
    def score_text(self) -> str:
        if self.is_named_by_hand:
            return "named by hand"
        if self.similarity is None:
            return "nobody to compare with"
        return f"{self.similarity:.2f} (needs {self.threshold:.2f})"


class EventVector(models.Model):
    """The face of an event as the collection's other model sees it, while there are two."""

    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="other_vectors")
    model = models.ForeignKey(ModelVersion, on_delete=models.PROTECT)
    vector = models.BinaryField(help_text="As in a template.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["event", "model"], name="event_vector_once_per_model"),
        ]

    def __str__(self) -> str:
        return f"vector of {self.event_id} by {self.model_id}"


class Recording(Upload):
    """A video, or a ZIP of pictures, that a job analyses as if it were seen live; its visits have
    the time of the recording.

    stream: of the last attempt; the visits belong to it.
    """

    KIND = "recording"

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="recordings")
    camera = models.ForeignKey(
        Camera, null=True, blank=True, on_delete=models.SET_NULL, related_name="recordings"
    )
    name = models.CharField(max_length=200, help_text="Of the file.")
    recorded_at = models.DateTimeField(help_text="Time of its first frame.")
    min_face_px = models.PositiveIntegerField(
        default=40, validators=[MinValueValidator(20), MaxValueValidator(1000)]
    )
    is_kept = models.BooleanField(default=False, help_text="Keep the video when it is analysed.")
    stream = models.ForeignKey(Stream, null=True, on_delete=models.SET_NULL, related_name="+")

    def __str__(self) -> str:
        return self.name
