"""Reads of collections, people and images, limited to what a caller may see."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q, QuerySet

from accounts.access import Access
from recognition.people.models import (
    Collection,
    FaceImage,
    Lookalike,
    ModelChange,
    ModelVersion,
    Person,
)
from recognition.people.models.search_text import folded, label_line
from recognition.web.errors import ServiceError
from recognition.web.visible import limited, one


def collections_visible(access: Access) -> QuerySet[Collection]:
    return limited(Collection.objects.prefetch_related("embedder", "candidate"), access, "pk")


def collection_by_id(access: Access, collection_id: UUID) -> Collection:
    # One query for one row; in a list each model is read once, with its long curves.
    rows = limited(Collection.objects.select_related("embedder", "candidate"), access, "pk")
    return one(rows, collection_id, "collection")


def collection_or_only(access: Access, collection_id: UUID | None) -> Collection:
    """The collection with this id; without an id, the only one that the caller sees."""
    if collection_id is not None:
        return collection_by_id(access, collection_id)
    visible = list(collections_visible(access)[:2])
    if len(visible) != 1:
        raise ServiceError(
            "collection_required", "Send the id of a collection.", collections=len(visible)
        )
    return visible[0]


def models_of(collection: Collection) -> list[ModelVersion]:
    """The models that people of the collection are recognised with: the one in force, and the
    second one once every face is embedded by it."""
    changes = ModelChange.objects.filter(collection=collection.pk, ended_at=None)
    is_complete = changes.filter(state__in=ModelChange.LOADED).exists()
    second = collection.candidate if is_complete else None
    return [collection.embedder, *([second] if second is not None else [])]


def model_named(collection: Collection, name: str) -> ModelVersion:
    """The one of `models_of` with this name or version. ServiceError 409
    `not_a_model_of_the_collection`."""
    models = models_of(collection)
    found = [model for model in models if name in (model.name, model.version)]
    if len(found) != 1:
        raise ServiceError(
            "not_a_model_of_the_collection",
            f"{collection.name} is recognised with {' and '.join(map(str, models))}: {name} is not "
            "one of them. A second model comes by a change of the collection's model.",
            status=409,
        )
    return found[0]


def persons_list(
    access: Access,
    *,
    collection: Collection | None = None,
    query: str | None = None,
    external_id: str | None = None,
    label: str | None = None,
) -> QuerySet[Person]:
    """The people that the caller may see. query: see `persons_found`."""
    people = limited(Person.objects.all(), access)
    if collection is not None:
        people = people.filter(collection=collection)
    if query is not None:
        people = persons_found(people, query)
    if external_id is not None:
        people = people.filter(external_id=external_id)
    return people if label is None else persons_labelled(people, label)


def persons_found(people: QuerySet[Person], query: str) -> QuerySet[Person]:
    """The people who match all words of the query: each word must be part of the name, the external
    id or a label."""
    words = folded(query).split()
    for word in words:
        people = people.filter(search_text__contains=word)
    return people if words else people.none()


def persons_labelled(people: QuerySet[Person], label: str) -> QuerySet[Person]:
    """The people with this label. Case and accents are ignored."""
    return people.filter(search_text__contains=label_line(label))


def person_by_id(access: Access, person_id: UUID) -> Person:
    people = limited(Person.objects.select_related("collection__embedder"), access)
    return one(people, person_id, "person")


def lookalikes_of(person_id: UUID) -> QuerySet[Lookalike]:
    """The rows of pairs of this person and a different person who looks alike."""
    return Lookalike.objects.filter(Q(first=person_id) | Q(second=person_id))


def lookalike_ids(person_id: UUID) -> set[UUID]:
    """Ids of different people who look like this person."""
    pairs = lookalikes_of(person_id).values_list("first", "second")
    return {other for pair in pairs for other in pair} - {person_id}


def images_list(
    access: Access, *, collection: Collection | None = None, person: Person | None = None
) -> QuerySet[FaceImage]:
    images = limited(FaceImage.objects.all(), access)
    if collection is not None:
        images = images.filter(collection=collection)
    if person is not None:
        images = images.filter(person=person)
    return images


def image_by_id(access: Access, image_id: UUID) -> FaceImage:
    images = limited(FaceImage.objects.select_related("person"), access)
    return one(images, image_id, "image")


def gallery_revisions() -> dict[tuple[UUID, int], int]:
    """The revision of each collection's gallery, by collection and model in force."""
    rows = Collection.objects.order_by().values_list("pk", "embedder_id", "gallery_revision")
    return {(collection, model): revision for collection, model, revision in rows}
