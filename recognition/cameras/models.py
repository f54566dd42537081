from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from recognition.people.models.collection import Collection
from recognition.web.identifiers import uuid7


class Camera(models.Model):
    """A source of frames: a browser's own camera, or a video file played as one."""

    class Kind(models.TextChoices):
        BROWSER = "browser", "Browser"
        FILE = "file", "Video file"

    class Status(models.TextChoices):
        OFF = "off", "Off"
        STARTING = "starting", "Starting"
        RUNNING = "running", "Running"
        FAILED = "failed", "Failed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    collection = models.ForeignKey(Collection, on_delete=models.PROTECT, related_name="cameras")
    name = models.CharField(max_length=100, unique=True)
    kind = models.CharField(max_length=16, choices=Kind.choices, default=Kind.BROWSER)
    address = models.CharField(
        max_length=500, blank=True, help_text="For a file: its name in the video folder."
    )
    # Slower than one a second, faces are not followed from one frame to the next.
    max_fps = models.FloatField(
        default=15, validators=[MinValueValidator(1), MaxValueValidator(60)]
    )
    min_face_px = models.PositiveIntegerField(
        default=40, validators=[MinValueValidator(20), MaxValueValidator(1000)]
    )
    loops = models.BooleanField(default=True, help_text="Play a file again from the start.")
    is_enabled = models.BooleanField(default=True)
    status = models.CharField(
        max_length=16, choices=Status.choices, default=Status.OFF, editable=False
    )
    status_message = models.CharField(max_length=300, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
