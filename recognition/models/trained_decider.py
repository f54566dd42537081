from __future__ import annotations

from django.db import models

from recognition.models.collection import Collection
from recognition.models.model_version import ModelVersion


class TrainedDecider(models.Model):
    """The linear SVM of a collection: arrays as an `.npz` file, never a pickle.

    In the database, so that every process has the same one and a backup holds it.
    """

    collection = models.OneToOneField(
        Collection, on_delete=models.CASCADE, related_name="trained_decider"
    )
    model = models.ForeignKey(ModelVersion, on_delete=models.PROTECT)
    arrays = models.BinaryField()
    # Of the gallery that it was trained on: behind the collection's own, it is out of date.
    gallery_revision = models.PositiveBigIntegerField()
    people = models.PositiveIntegerField()
    templates = models.PositiveIntegerField()
    trained_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"SVM of {self.people} people"
