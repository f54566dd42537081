from __future__ import annotations

from django.db import models

from recognition.people.models.collection import Collection
from recognition.people.models.model_version import ModelVersion
from recognition.people.models.person import Person


class Negative(models.Model):
    """ "This face is not that person": the face of a visit whose name was rejected.

    The face belongs to a person who never agreed to be enrolled, so it lives only as long as the
    event that points to it.
    """

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="negatives")
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="negatives")
    model = models.ForeignKey(ModelVersion, on_delete=models.PROTECT)
    vector = models.BinaryField(help_text="As in a template.")
    # The same face by the collection's other model, while there are two.
    original = models.ForeignKey(
        "self", null=True, on_delete=models.CASCADE, related_name="copies", editable=False
    )
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"a face that is not {self.person_id}"
