from __future__ import annotations

from django.db import models

from ml_engine.zoo import version_of
from recognition.people.models.curves import CurvesField


class ModelVersion(models.Model):
    """A network at one hash of its weights: a preset of the zoo, or a user's file.

    `version` (`name@hash`) is its identity. Templates, indexes, curves and deciders carry it, and a
    vector of another version is refused: thresholds and vectors of two versions do not fit.
    """

    class Role(models.TextChoices):
        DETECTOR = "detector", "Detector"
        EMBEDDER = "embedder", "Embedder"

    class Source(models.TextChoices):
        PRESET = "preset", "Preset of the zoo"
        FILE = "file", "File of your own"

    class State(models.TextChoices):
        ADDED = "added", "Added: not measured yet"
        EVALUATED = "evaluated", "Evaluated: it tells people apart too badly to be used"
        USABLE = "usable", "Usable"

    role = models.CharField(max_length=16, choices=Role.choices)
    source = models.CharField(max_length=16, choices=Source.choices, default=Source.PRESET)
    name = models.CharField(max_length=64, help_text="A preset's name, or one of your own.")
    sha256 = models.CharField(max_length=64, help_text="Of the weights.")
    file = models.CharField(
        max_length=500, blank=True, help_text="For a file: its folder in the folder of weights."
    )
    report = models.JSONField(
        default=dict, help_text="For a file: what was found when it was added."
    )
    state = models.CharField(max_length=16, choices=State.choices, default=State.USABLE)
    licence = models.CharField(max_length=300, blank=True)
    training_data = models.CharField(max_length=500, blank=True)
    people_gone = models.PositiveIntegerField(
        default=0,
        help_text="People it was trained on who were erased or withdrew their consent since.",
    )
    dimension = models.PositiveIntegerField(null=True)
    figures = models.JSONField(default=dict, help_text="Measured figures.")
    impostor_curves = CurvesField(
        default=dict, help_text="Scores at false-match rates, for each version of a detector."
    )
    evaluated_curves = CurvesField(
        default=dict,
        help_text="The same of the last evaluation of a model in use: not in force until they are "
        "taken.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["name", "sha256"], name="model_version_once"),
        ]

    def __str__(self) -> str:
        return self.version

    @property
    def version(self) -> str:
        """`name@hash`, with as much of the hash as tells versions of one name apart."""
        return version_of(self.name, self.sha256)
