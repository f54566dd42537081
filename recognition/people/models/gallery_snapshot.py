from __future__ import annotations

from django.db import models

from recognition.people.models.collection import Collection
from recognition.people.models.model_version import ModelVersion
from recognition.web.leases import Leased


class GallerySnapshot(Leased):
    """Which files hold the gallery of a collection and a model, in one folder of snapshots.

    Only files that a row names are used. The owner of the lease writes new ones.
    """

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="snapshots")
    model = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="+")
    folder = models.CharField(max_length=32, help_text="The mark in the folder of snapshots.")
    name = models.CharField(max_length=120, blank=True, help_text="In it. Empty: there is none.")
    digest = models.CharField(max_length=64, blank=True, help_text="Of its head.")
    templates = models.PositiveBigIntegerField(default=0)
    revision = models.PositiveBigIntegerField(help_text="Of the gallery, when it was written.")
    overwritten_revision = models.PositiveBigIntegerField(
        help_text="What changed until then is overwritten in all files of this collection."
    )
    problem = models.CharField(max_length=300, blank=True)
    problem_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["collection", "model", "folder"], name="snapshot_once_per_folder"
            ),
        ]

    def __str__(self) -> str:
        return self.name or f"no snapshot of {self.collection_id}"
