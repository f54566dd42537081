from __future__ import annotations

from django.db import models


class ModelVersion(models.Model):
    """A network in use: a preset of the zoo at a certain hash, with its impostor score curve.

    A threshold belongs to a model, and a template to the version that made it.
    """

    class Role(models.TextChoices):
        DETECTOR = "detector", "Detector"
        EMBEDDER = "embedder", "Embedder"

    role = models.CharField(max_length=16, choices=Role.choices)
    preset = models.CharField(max_length=64)
    sha256 = models.CharField(max_length=64)
    dimension = models.PositiveIntegerField(null=True)
    figures = models.JSONField(default=dict, help_text="Measured figures.")
    impostor_curve = models.JSONField(default=dict, help_text="Scores at false-match rates.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["preset", "sha256"], name="model_version_once"),
        ]

    def __str__(self) -> str:
        return f"{self.preset} {self.sha256[:8]}"
