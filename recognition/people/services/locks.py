"""The row locks that services take, in one order: the collection, then people, then the rest."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from recognition.people.models import Collection, ModelChange, ModelVersion, Person
from recognition.web.errors import ServiceError, not_found

_CAMERAS_TOLD = 10


def lock_collection(collection_id: UUID) -> Collection:
    """The row as it is now, locked until the end of the transaction."""
    row = Collection.objects.select_for_update().filter(pk=collection_id).first()
    if row is None:
        raise not_found("collection")
    return row


def check_in_use(collection: Collection, model: ModelVersion) -> None:
    """ServiceError 409 `embedder_changed` if the collection stores nothing of this model any more.
    collection: locked."""
    if model.pk not in collection.model_ids:
        message = "The collection's embedder was changed meanwhile. Start again."
        raise ServiceError("embedder_changed", message, status=409)


def refuse_open_change(collection: Collection) -> None:
    """ServiceError 409 `model_change_open` if the collection's model is being changed, or data of
    such a change are still being removed."""
    if ModelChange.objects.filter(collection=collection, ended_at=None).exists():
        message = "The collection's model is being changed. Finish or cancel that first."
        raise ServiceError("model_change_open", message, status=409)


def refuse_named_by_cameras(collection: Collection, model: ModelVersion) -> None:
    """ServiceError 409 `model_named_by_cameras` if cameras of the collection are recognised with
    this model. collection: locked."""
    named = collection.cameras.filter(model=model).order_by("name")
    if names := list(named.values_list("name", flat=True)[:_CAMERAS_TOLD]):
        message = f"{', '.join(names)}: recognised with {model}. Choose another model for them."
        raise ServiceError("model_named_by_cameras", message, status=409, cameras=names)


def lock_person(person_id: UUID) -> Person:
    return lock_people([person_id])[0]


def lock_people(person_ids: Iterable[UUID]) -> list[Person]:
    """Rows in the order asked for; `not_found` if one is gone."""
    asked = list(person_ids)
    rows = Person.objects.select_for_update().filter(pk__in=asked).order_by("pk")
    found = {row.pk: row for row in rows}
    if len(found) < len(set(asked)):
        raise not_found("person")
    return [found[person_id] for person_id in asked]
