"""The row locks that services take, in one order: the collection, then people, then the rest."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from recognition.people.models import Collection, Person
from recognition.web.errors import not_found


def lock_collection(collection_id: UUID) -> Collection:
    """The row as it is now, locked until the end of the transaction."""
    row = Collection.objects.select_for_update().filter(pk=collection_id).first()
    if row is None:
        raise not_found("collection")
    return row


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
