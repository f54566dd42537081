"""Reads of collections, people and images, limited to what a caller may see."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q, QuerySet

from accounts.access import Access
from recognition.people.models import Collection, FaceImage, Person
from recognition.web.errors import ServiceError
from recognition.web.visible import limited, one


def collections_visible(access: Access) -> QuerySet[Collection]:
    return limited(Collection.objects.select_related("embedder"), access, "pk")


def collection_by_id(access: Access, collection_id: UUID) -> Collection:
    return one(collections_visible(access), collection_id, "collection")


def collection_or_only(access: Access, collection_id: UUID | None) -> Collection:
    """The named collection, or the only one that the caller sees."""
    if collection_id is not None:
        return collection_by_id(access, collection_id)
    visible = list(collections_visible(access)[:2])
    if len(visible) != 1:
        raise ServiceError("collection_required", "Say which collection.", collections=len(visible))
    return visible[0]


def persons_list(
    access: Access,
    *,
    collection: Collection | None = None,
    query: str | None = None,
    external_id: str | None = None,
) -> QuerySet[Person]:
    """query: part of a name, or of an external id."""
    people = limited(Person.objects.select_related("collection__embedder"), access)
    if collection is not None:
        people = people.filter(collection=collection)
    if query:
        people = people.filter(Q(name__icontains=query) | Q(external_id__icontains=query))
    if external_id is not None:
        people = people.filter(external_id=external_id)
    return people


def person_by_id(access: Access, person_id: UUID) -> Person:
    return one(persons_list(access), person_id, "person")


def images_list(
    access: Access, *, collection: Collection | None = None, person: Person | None = None
) -> QuerySet[FaceImage]:
    images = FaceImage.objects.select_related("person__collection__embedder")
    images = limited(images, access, "person__collection_id")
    if collection is not None:
        images = images.filter(person__collection=collection)
    if person is not None:
        images = images.filter(person=person)
    return images


def image_by_id(access: Access, image_id: UUID) -> FaceImage:
    return one(images_list(access), image_id, "image")
