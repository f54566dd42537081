"""Deletes or moves the images, templates and stored replies of a person.

Each function runs within the transaction of an erasure or a merge.
"""

from __future__ import annotations

from recognition.people.index import note_changes
from recognition.people.models import Collection, FaceImage, Person, Template
from recognition.people.traces import Traced
from recognition.web.models import IdempotencyRecord


def images_forget(collection: Collection, person: Person) -> Traced:
    templates = template_ids(person)
    images = list(person.images.values_list("file", "original"))
    person.images.all().delete()
    note_changes(collection, templates)
    counts = {"images": len(images), "templates": len(templates)}
    return Traced(counts, tuple(name for names in images for name in names))


def images_move(collection: Collection, source: Person, target: Person) -> Traced:
    """A picture that both people have is kept once."""
    templates = template_ids(source)
    mine = list(target.images.values_list("sha256", flat=True))
    doubles = FaceImage.objects.filter(person=source, sha256__in=mine)
    dropped = tuple(name for names in doubles.values_list("file", "original") for name in names)
    doubles.delete()
    moved = source.images.update(person=target)
    note_changes(collection, templates)
    return Traced({"images": moved}, dropped)


def replies_forget(collection: Collection, person: Person) -> Traced:
    deleted, _ = IdempotencyRecord.objects.filter(person_id=person.pk).delete()
    return Traced({"replies": deleted})


def template_ids(person: Person) -> list[int]:
    return list(Template.objects.filter(image__person=person).values_list("pk", flat=True))
