from __future__ import annotations

from django.db import models

from recognition.people.models.collection import Collection
from recognition.people.models.curves import CurvesField
from recognition.people.models.model_version import ModelVersion


class Calibration(models.Model):
    """How alike the enrolled people of a collection are, to themselves and to each other, as one
    model sees them."""

    collection = models.ForeignKey(
        Collection, on_delete=models.CASCADE, related_name="calibrations"
    )
    model = models.ForeignKey(ModelVersion, on_delete=models.PROTECT)
    impostor_curve = CurvesField(help_text="Scores at false-match rates.")
    figures = models.JSONField(help_text="Counts, error rates and the points of the DET curve.")
    gallery_revision = models.PositiveBigIntegerField()
    measured_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["collection", "model"], name="calibration_once_per_model"
            ),
        ]

    def __str__(self) -> str:
        return f"calibration of {self.measured_at:%Y-%m-%d}"
