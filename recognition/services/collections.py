"""Collections: added, changed, and deleted when they are empty."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction

from accounts.audit import Actor, record
from recognition.errors import ServiceError
from recognition.gallery import forget_galleries
from recognition.models import Collection
from recognition.services.events import events_delete
from recognition.services.transactions import in_transaction, lock_collection


def collection_create(*, actor: Actor, **values: Any) -> Collection:
    def create() -> Collection:
        collection = Collection.objects.create(**values)
        record(actor, "collection.create", collection, collection_id=collection.pk)
        return collection

    try:
        return in_transaction(create)
    except IntegrityError as error:
        raise _name_taken() from error


def collection_update(*, collection: Collection, actor: Actor, **changes: Any) -> Collection:
    """The collection with the changes. 409 `embedder_in_use` where there are templates: vectors of
    two models cannot be compared."""

    def update() -> Collection:
        row = lock_collection(collection.pk)
        embedder = changes.get("embedder", row.embedder)
        if embedder.pk != row.embedder_id and row.templates.exists():
            message = "The embedder cannot change while the collection has templates."
            raise ServiceError("embedder_in_use", message, status=409)
        for name, value in changes.items():
            setattr(row, name, value)
        row.save(update_fields=list(changes))
        record(actor, "collection.update", row, collection_id=row.pk, changed=sorted(changes))
        return row

    try:
        return in_transaction(update)
    except IntegrityError as error:
        raise _name_taken() from error


def collection_delete(*, collection: Collection, actor: Actor) -> None:
    """Its events go with it, and their pictures. 409 `collection_not_empty` while it has people or
    cameras."""

    def delete() -> None:
        row = lock_collection(collection.pk)
        if row.persons.exists() or row.cameras.exists():
            message = "Erase its people and remove its cameras first."
            raise ServiceError("collection_not_empty", message, status=409)
        events_delete(row.events.all())
        record(actor, "collection.delete", row, collection_id=row.pk)
        row.delete()
        transaction.on_commit(lambda: forget_galleries(collection.pk))

    in_transaction(delete)


def _name_taken() -> ServiceError:
    message = "There is a collection of this name already."
    return ServiceError("name_taken", message, status=409)
