"""A map of a collection: people whom its model sees as similar lie close together."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from django.db.models import Exists, OuterRef, Window
from django.db.models.functions import RowNumber

from ml_engine.matching.deciders import mean_template
from ml_engine.matching.plane import principal_plane
from ml_engine.types import Float32
from recognition.people.models import Collection, Person, Template

# More faces would cover each other.
MOST_PEOPLE = 150
# Of each person, so that nobody is left out for the many images of another one.
_MOST_IMAGES = 20
LEAST_PEOPLE = 3


@dataclass(frozen=True, slots=True)
class Place:
    """A person with their best image; x and y from 0 to 1."""

    person: Person
    image: UUID
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class EmbeddingMap:
    """places: empty if fewer than LEAST_PEOPLE have images. share: of the differences between
    these people that a plane can show. is_whole: False if there are more people."""

    places: list[Place]
    share: float
    is_whole: bool


def embedding_map(collection: Collection) -> EmbeddingMap:
    """The active people who were added last, each by the mean of their best templates. Only places
    in the plane leave this function, and no vector."""
    # As a condition on each person, read from the newest on. A join would sort all templates.
    templates = Template.objects.filter(image__person=OuterRef("pk"), model=collection.embedder_id)
    mine = Person.objects.filter(Exists(templates), collection=collection, is_active=True)
    newest = list(mine.order_by("-pk")[: MOST_PEOPLE + 1])
    people = {person.pk: person for person in newest[:MOST_PEOPLE]}
    vectors, images = _templates(collection, list(people))
    shown = [person for person in people if person in vectors]
    if len(shown) < LEAST_PEOPLE:
        return EmbeddingMap([], 0.0, is_whole=len(shown) == len(newest))
    plane = principal_plane(np.stack([mean_template(np.stack(vectors[pk])) for pk in shown]))
    low = plane.places.min(axis=0)
    extent = max(float((plane.places - low).max()), 1e-6)
    places = [
        Place(people[pk], images[pk], *(round(float(value), 3) for value in place))
        for pk, place in zip(shown, (plane.places - low) / extent, strict=True)
    ]
    return EmbeddingMap(places, plane.share, is_whole=len(shown) == len(newest))


def _templates(
    collection: Collection, people: list[UUID]
) -> tuple[dict[UUID, list[Float32]], dict[UUID, UUID]]:
    """Of each person the vectors, and the image of the best quality."""
    rows = Template.objects.filter(image__person__in=people, model=collection.embedder_id)
    best = Window(RowNumber(), partition_by="image__person_id", order_by="-image__quality")
    rows = rows.annotate(place=best).filter(place__lte=_MOST_IMAGES).order_by("place")
    vectors: dict[UUID, list[Float32]] = defaultdict(list)
    images: dict[UUID, UUID] = {}
    values = "image__person_id", "image_id", "vector"
    for person, image, vector in rows.values_list(*values):
        vectors[person].append(Template.unpack(vector))
        images.setdefault(person, image)
    return vectors, images
