from __future__ import annotations

import logging

from django.db import models

from ml_engine.matching import DamagedFile, LinearSvm
from ml_engine.types import ModelMismatch
from recognition.people.models.collection import Collection
from recognition.people.models.model_version import ModelVersion

logger = logging.getLogger(__name__)


class TrainedDecider(models.Model):
    """The linear SVM of a collection and a model: arrays as an `.npz` file, never a pickle.

    In the database, so that every process has the same one and a backup holds it.
    """

    collection = models.ForeignKey(
        Collection, on_delete=models.CASCADE, related_name="trained_deciders"
    )
    model = models.ForeignKey(ModelVersion, on_delete=models.PROTECT)
    arrays = models.BinaryField()
    # Revision of the gallery that it was trained on; it is stale if the collection's is higher.
    gallery_revision = models.PositiveBigIntegerField()
    people = models.PositiveIntegerField()
    templates = models.PositiveIntegerField()
    trained_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["collection", "model"], name="decider_once_per_model"),
        ]

    def __str__(self) -> str:
        return f"SVM of {self.people} people"

    @property
    def svm(self) -> LinearSvm | None:
        """None if the stored arrays are damaged."""
        try:
            return LinearSvm.from_bytes(bytes(self.arrays), model=self.model.version)
        except (DamagedFile, ModelMismatch) as error:
            logger.warning("the SVM of %s cannot be used: %s", self.collection_id, error)
            return None
