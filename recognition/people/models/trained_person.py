from __future__ import annotations

from django.db import models

from recognition.people.models.model_version import ModelVersion
from recognition.people.models.person import Person


class TrainedPerson(models.Model):
    """A person whose faces a model of the user's own was made from."""

    model = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="trained_people")
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["model", "person"], name="trained_person_once"),
        ]

    def __str__(self) -> str:
        return f"{self.person_id} in {self.model_id}"
