from __future__ import annotations

from django.db import models

from recognition.people.models.collection import Collection
from recognition.people.models.person import Person


class Lookalike(models.Model):
    """ "These are two people": enrolment takes photos of either, however alike they are. `first` is
    the one with the smaller id, so that a pair is one row."""

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE)
    first = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+")
    second = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["first", "second"], name="lookalike_once"),
        ]

    def __str__(self) -> str:
        return f"{self.first_id} is not {self.second_id}"
