""" "This face is not that person": stored faces that rule out a name, in every gallery.

Each function runs within a transaction that holds the collection's lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

from recognition.people.index import note_changes
from recognition.people.models import Collection, Negative, Person, Template
from recognition.people.traces import Traced


def negative_add(
    collection: Collection, person_id: UUID, vectors: Mapping[int, bytes]
) -> Negative | None:
    """The face as each of the collection's models sees it. None if no model in use knows it.
    vectors: by the id of their model, packed as in a template."""
    negative = None
    for model_id in collection.model_ids:
        if model_id in vectors:
            made = Negative.objects.create(
                collection=collection,
                person_id=person_id,
                model_id=model_id,
                vector=vectors[model_id],
                original=negative,
            )
            negative = negative or made
    _tell(collection, [person_id])
    return negative


def negatives_delete(collection: Collection, negative_ids: Iterable[int]) -> None:
    negatives = Negative.objects.filter(pk__in=list(negative_ids))
    people = set(negatives.values_list("person", flat=True))
    if people:
        negatives.delete()
        _tell(collection, people)


def negatives_forget(collection: Collection, person: Person) -> Traced:
    """Delete the negatives of a person; galleries drop them with the person's templates."""
    deleted, _ = person.negatives.all().delete()
    return Traced({"negatives": deleted})


def negatives_move(collection: Collection, source: Person, target: Person) -> Traced:
    """A face that is not `source` is not `target` either: both are the same person."""
    moved = source.negatives.update(person=target)
    if moved:
        _tell(collection, [target.pk])
    return Traced({"negatives": moved})


def _tell(collection: Collection, people: Iterable[UUID]) -> None:
    """Log a change of all templates of these people. A gallery reads a person's negatives with any
    of their templates, and a single one may be deleted before another process reads the log."""
    theirs = Template.objects.filter(model__in=collection.model_ids, image__person__in=people)
    note_changes(collection, theirs.values_list("pk", flat=True))
