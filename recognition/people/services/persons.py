"""People: create, update, merge, and erase with everything stored about them."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError
from django.utils import timezone

from accounts.audit import Actor, record
from recognition.notices.services.notices import notice_write
from recognition.people.index import note_changes, snapshots_follow
from recognition.people.models import Collection, Person
from recognition.people.services.deciders import decider_forget
from recognition.people.services.locks import lock_collection, lock_people, lock_person
from recognition.people.services.lookalikes import refuse_merge
from recognition.people.services.person_images import template_ids
from recognition.people.services.trained_people import trained_forget
from recognition.people.traces import forget_all, move_all
from recognition.web.errors import ServiceError, not_found
from recognition.web.files import remove_after_commit
from recognition.web.transactions import in_transaction

# What the gallery knows of a person.
_IN_GALLERY = {"name", "external_id", "labels", "is_active"}


def person_create(*, collection: Collection, actor: Actor, **values: Any) -> Person:
    def create() -> Person:
        person = Person.objects.create(collection_id=collection.pk, **values)
        record(actor, "person.create", person, collection_id=collection.pk)
        return person

    try:
        return in_transaction(create)
    except IntegrityError as error:
        if not Collection.objects.filter(pk=collection.pk).exists():
            raise not_found("collection") from error
        raise _external_id_taken() from error


def person_update(*, person: Person, actor: Actor, **changes: Any) -> Person:
    """Change a person; galleries follow if they hold a changed field."""

    def update() -> Person:
        collection = lock_collection(person.collection_id)
        row = lock_person(person.pk)
        before = _names(row)
        for name, value in changes.items():
            setattr(row, name, value)
        row.save(update_fields=[*changes, "search_text", "updated_at"])
        if _IN_GALLERY & set(changes):
            note_changes(collection, template_ids(row))
        if not row.is_active:
            decider_forget(collection.pk, [row.pk])
        if row.consent == Person.Consent.WITHDRAWN:
            trained_forget(collection, row)
        record(actor, "person.update", row, collection_id=collection.pk, changed=sorted(changes))
        if before != _names(row):
            notice_write("person.renamed", subject_id=row.pk, collection_id=collection.pk)
        return row

    try:
        return in_transaction(update)
    except IntegrityError as error:
        raise _external_id_taken() from error


def person_erase(*, person: Person, actor: Actor) -> dict[str, int]:
    """Erase everything stored of a person (see `recognition.people.traces`); returns the counts.

    Events of the person stay without a person: time, camera and decision, but no picture or vector.
    `not_found` if another caller was quicker.
    """

    def erase() -> dict[str, int]:
        collection = lock_collection(person.collection_id)
        row = lock_person(person.pk)
        forgotten = forget_all(collection, row)
        Collection.objects.filter(pk=collection.pk).update(last_erasure_at=timezone.now())
        counts: Any = forgotten.counts
        record(actor, "person.erase", row, collection_id=collection.pk, **counts)
        notice_write("person.erased", subject_id=row.pk, collection_id=collection.pk)
        row.delete()
        return forgotten.counts | {"files": remove_after_commit(forgotten.files)}

    counts = in_transaction(erase)
    snapshots_follow(person.collection_id)
    return counts


def person_merge(*, into: Person, person: Person, actor: Actor) -> Person:
    """Images, templates and events of `person` go to `into`; then `person` is deleted. A picture
    that both have is kept once. Name and data of `into` stay as they are."""
    if into.pk == person.pk:
        message = "A person cannot be merged with themselves."
        raise ServiceError("same_person", message, status=409)
    if into.collection_id != person.collection_id:
        message = "They belong to different collections."
        raise ServiceError("different_collections", message, status=409)

    def merge() -> Person:
        collection = lock_collection(into.collection_id)
        target, other = lock_people([into.pk, person.pk])
        refuse_merge(target, other)
        moved = move_all(collection, other, target)
        dropped = remove_after_commit(moved.files)
        counts: Any = moved.counts
        record(actor, "person.merge", target, collection_id=collection.pk, merged=str(other.pk),
               **counts, dropped_files=dropped)  # fmt: skip
        gone = {"merged": [other.pk]}
        notice_write(
            "person.merged", subject_id=target.pk, collection_id=collection.pk, related=gone
        )
        other.delete()
        return target

    merged = in_transaction(merge)
    snapshots_follow(into.collection_id)
    return merged


def _names(person: Person) -> tuple[str, str | None]:
    """The fields by which others know a person."""
    return person.name, person.external_id


def _external_id_taken() -> ServiceError:
    message = "Another person of the collection has this external id."
    return ServiceError("external_id_taken", message, status=409)
