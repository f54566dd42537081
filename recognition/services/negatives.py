""" "This face is not that person": kept while a visit is rejected, and told to every gallery."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db.models import QuerySet

from recognition.gallery import note_changes
from recognition.models import Collection, Event, Negative, Person, Template


def negative_follow(event: Event, collection: Collection) -> None:
    """Within a transaction that holds the collection's lock: keep the event's face as one that is
    not its person's where the event is rejected, and only then."""
    if event.review != Event.Review.REJECTED:
        negatives_delete(Event.objects.filter(pk=event.pk), collection)
        return
    is_ours = event.model_id == collection.embedder_id
    if event.person_id is None or event.vector is None or not is_ours:
        return
    _, is_new = Negative.objects.get_or_create(
        event=event,
        defaults={
            "collection": collection,
            "person_id": event.person_id,
            "model_id": collection.embedder_id,
            "vector": bytes(event.vector),
        },
    )
    if is_new:
        _tell(collection, [event.person_id])


def negatives_delete(events: QuerySet[Event], collection: Collection) -> None:
    """Within a transaction that holds the collection's lock: those of its events."""
    negatives = Negative.objects.filter(event__in=events.order_by().values("pk"))
    people = set(negatives.values_list("person", flat=True))
    if people:
        negatives.delete()
        _tell(collection, people)


def negatives_move(collection: Collection, source: Person, target: Person) -> None:
    """Within a transaction that holds the collection's lock: what is not the one is not the other,
    since both are the same person."""
    if source.negatives.update(person=target):
        _tell(collection, [target.pk])


def _tell(collection: Collection, people: Iterable[UUID]) -> None:
    """A gallery reads the negatives of a person with any template of theirs. All are named: one
    alone may be gone by the time that another process looks. Whoever has none is not found
    anyhow."""
    theirs = Template.objects.filter(model=collection.embedder_id, image__person__in=people)
    note_changes(collection, theirs.values_list("pk", flat=True))
