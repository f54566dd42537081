"""Changes of a collection that its gallery follows."""

from __future__ import annotations

from ml_engine.types import Float32
from recognition.people.index import note_changes
from recognition.people.models import Collection, FaceImage, Person, Template
from recognition.web.identifiers import uuid7
from tests.commits import committed

DIMENSION = 192


def choose(collection: Collection, **choices: str) -> None:
    Collection.objects.filter(pk=collection.pk).update(**choices)


@committed()
def add(person: Person, *vectors: Float32) -> list[Template]:
    """Store templates with these vectors, and tell galleries about them."""
    rows = []
    for vector in vectors:
        owner = {"person": person, "collection": person.collection}
        image = FaceImage.objects.create(
            **owner, sha256=uuid7().hex, file="", box=[], landmarks=[], quality=1.0
        )
        model = person.collection.embedder
        values = {"image": image, "collection": person.collection, "model": model}
        packed = Template.pack(vector)
        rows.append(Template.objects.create(**values, vector=packed, dimension=DIMENSION))
    note_changes(person.collection, [row.pk for row in rows])
    return rows
