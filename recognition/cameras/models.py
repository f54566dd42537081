from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from accounts.names import validate_visible
from recognition.cameras.areas import no_areas, validate_areas
from recognition.cameras.sources import BROWSER, kind_choices
from recognition.people.models.collection import Collection
from recognition.people.models.model_version import ModelVersion
from recognition.web.encrypted import EncryptedField
from recognition.web.identifiers import uuid7
from recognition.web.leases import DatabaseTime, Leased


class Camera(Leased):
    """A source of frames, of one of the kinds in `sources`. The process that plays it holds its
    lease; a browser's camera has none, its streams have."""

    class Status(models.TextChoices):
        OFF = "off", "Off"
        WAITING = "waiting", "Waiting"
        STARTING = "starting", "Starting"
        RUNNING = "running", "Running"
        FAILED = "failed", "Failed"

    class Answers(models.TextChoices):
        OK = "ok", "OK"
        JSON = "json", "What was recognised last, as JSON"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    collection = models.ForeignKey(Collection, on_delete=models.PROTECT, related_name="cameras")
    name = models.CharField(max_length=100, unique=True, validators=[validate_visible])
    model = models.ForeignKey(
        ModelVersion,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        limit_choices_to=models.Q(collections__isnull=False) | models.Q(candidate_of__isnull=False),
        help_text="The one of the collection's two models that it is recognised with. Empty: the "
        "one in force.",
    )
    kind = models.CharField(max_length=16, choices=kind_choices, default=BROWSER)
    address = models.CharField(max_length=500, blank=True)
    username = EncryptedField()
    password = EncryptedField()
    node = models.CharField(
        max_length=64,
        blank=True,
        help_text="The machine that it hangs on, as `serve --node` names it; empty: any.",
    )
    # Slower than one a second, faces are not followed from one frame to the next.
    max_fps = models.FloatField(
        default=15, validators=[MinValueValidator(1), MaxValueValidator(60)]
    )
    min_face_px = models.PositiveIntegerField(
        default=40, validators=[MinValueValidator(20), MaxValueValidator(1000)]
    )
    loops = models.BooleanField(default=True, help_text="Play a file again from the start.")
    clip_before_s = models.PositiveSmallIntegerField(
        default=5,
        validators=[MaxValueValidator(15)],
        help_text="Seconds of a clip before its visit begins.",
    )
    clip_after_s = models.PositiveSmallIntegerField(
        default=0,
        validators=[MaxValueValidator(30)],
        help_text="Seconds of a clip after its visit begins; 0: no clips.",
    )
    answers = models.CharField(
        max_length=8,
        choices=Answers.choices,
        default=Answers.OK,
        help_text="What a sender of ImageZMQ is answered to each of its frames.",
    )
    areas = models.JSONField(
        default=no_areas,
        blank=True,
        validators=[validate_areas],
        help_text='Where in the picture faces count: `{"watch": [polygon, ...], "ignore": '
        "[polygon, ...]}`; a polygon is a list of 3 to 64 points [x, y], each 0 to 1; 16 polygons "
        "at most.",
    )
    is_enabled = models.BooleanField(default=True)
    status = models.CharField(
        max_length=16, choices=Status.choices, default=Status.OFF, editable=False
    )
    status_message = models.CharField(max_length=300, blank=True, editable=False)
    status_since = models.DateTimeField(db_default=DatabaseTime(), editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def has_clips(self) -> bool:
        return self.clip_after_s > 0


class CameraMinute(models.Model):
    """How the frames of a camera were answered, for about a minute until `at`. Written by the
    process that plays the camera; kept for days."""

    camera = models.ForeignKey(
        Camera, on_delete=models.CASCADE, related_name="minutes", editable=False
    )
    at = models.DateTimeField(db_default=DatabaseTime(), editable=False)
    frames = models.PositiveIntegerField(editable=False, help_text="Answered.")
    fps = models.FloatField(editable=False, help_text="Answered a second.")
    dropped = models.PositiveIntegerField(
        editable=False, help_text="Left out because a newer one had come."
    )
    timing_ms = models.JSONField(
        default=dict, editable=False, help_text="By stage: `p50` and `p95` of the frames."
    )

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.camera} at {self.at:%Y-%m-%d %H:%M}"


class CameraHost(models.Model):
    """A process that can play cameras now: cameras are shared among those seen lately."""

    process = models.CharField(primary_key=True, max_length=128, editable=False)
    node = models.CharField(max_length=64, editable=False)
    seen_at = models.DateTimeField(db_default=DatabaseTime(), editable=False)

    def __str__(self) -> str:
        return self.process


class CameraHub(Leased):
    """The receiver of all cameras of one kind on one machine. The process that listens there holds
    its lease, and plays all of them.

    strangers: how many frames came from each sender that is no camera, by its name.
    """

    kind = models.CharField(max_length=16, editable=False)
    node = models.CharField(max_length=64, editable=False)
    strangers = models.JSONField(default=dict, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "node"], name="hub_once_per_node")]

    def __str__(self) -> str:
        return f"{self.kind} at {self.node}"


class Stream(Leased):
    """One run of a camera, or of a client that sends frames of its own. The process that works on
    it holds its lease: what it writes of the stream's visits counts only while it does."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    collection = models.ForeignKey(
        Collection, on_delete=models.CASCADE, related_name="streams", editable=False
    )
    camera = models.ForeignKey(
        Camera, null=True, on_delete=models.SET_NULL, related_name="streams", editable=False
    )
    caller = models.CharField(
        max_length=200, blank=True, editable=False, help_text="As in the audit log."
    )
    started_at = models.DateTimeField(db_default=DatabaseTime(), editable=False)
    ended_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["lease_until"], name="stream_by_lease")]

    def __str__(self) -> str:
        return f"{self.camera or self.caller} at {self.started_at:%Y-%m-%d %H:%M:%S}"
