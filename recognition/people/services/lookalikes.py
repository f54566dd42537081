"""Twins, and others who look alike: a person says that they are two people, not one."""

from __future__ import annotations

from uuid import UUID

from accounts.audit import Actor, record
from recognition.people.models import Collection, Lookalike, Person
from recognition.people.selectors import lookalike_ids, lookalikes_of
from recognition.people.services.locks import lock_collection, lock_people
from recognition.people.traces import Traced
from recognition.web.errors import ServiceError, not_found
from recognition.web.transactions import in_transaction


def lookalike_add(*, person: Person, other: Person, actor: Actor) -> None:
    """From then on enrolment takes photos of either. What is so already stays so."""
    if person.pk == other.pk:
        raise ServiceError("same_person", "These are the same person.", status=409)
    if person.collection_id != other.collection_id:
        message = "They belong to different collections, which are not compared."
        raise ServiceError("different_collections", message, status=409)

    def add() -> None:
        collection = lock_collection(person.collection_id)
        lock_people([person.pk, other.pk])
        if _add(collection, person.pk, other.pk):
            record(actor, "person.lookalike_add", person, collection_id=collection.pk,
                   other=str(other.pk))  # fmt: skip

    in_transaction(add)


def lookalike_remove(*, person: Person, other: Person, actor: Actor) -> None:
    """They may be one person again; their photos stay."""

    def remove() -> None:
        collection = lock_collection(person.collection_id)
        if not (lookalikes_of(person.pk) & lookalikes_of(other.pk)).delete()[0]:
            raise not_found("pair of people who look alike")
        record(actor, "person.lookalike_remove", person, collection_id=collection.pk,
               other=str(other.pk))  # fmt: skip

    in_transaction(remove)


def refuse_merge(person: Person, other: Person) -> None:
    """ServiceError 409 for two who are known to be two. Within the transaction that merges them."""
    if other.pk in lookalike_ids(person.pk):
        message = "They are recorded as two people who look alike. Take that back first."
        raise ServiceError("two_people", message, status=409)


def lookalikes_forget(collection: Collection, person: Person) -> Traced:
    deleted, _ = lookalikes_of(person.pk).delete()
    return Traced({"lookalikes": deleted})


def lookalikes_move(collection: Collection, source: Person, target: Person) -> Traced:
    """Who is not `source` is not `target` either: both are the same person."""
    others = lookalike_ids(source.pk) - {target.pk}
    lookalikes_of(source.pk).delete()
    return Traced({"lookalikes": sum(_add(collection, target.pk, other) for other in others)})


def _add(collection: Collection, one: UUID, other: UUID) -> bool:
    """Whether it was not so before."""
    first, second = sorted((one, other))
    pair = {"first_id": first, "second_id": second}
    return Lookalike.objects.get_or_create(**pair, defaults={"collection": collection})[1]
