from __future__ import annotations

from django.db import models

from recognition.people.models.collection import Collection


class GalleryChange(models.Model):
    """ "Look at this template again": the log by which every process keeps its index in step.

    It names the template only; a reader takes what the database says of it now (there, gone,
    moved to another person), so reading an entry twice or late does no harm.
    """

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE)
    revision = models.PositiveBigIntegerField()
    template_id = models.BigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        indexes = [models.Index(fields=["collection", "revision"], name="gallery_change_order")]

    def __str__(self) -> str:
        return f"{self.collection_id} r{self.revision} template {self.template_id}"
