"""Faces of rejected events as negatives: kept while the event is rejected, and deleted with it.

Each function runs within a transaction that holds the collection's lock.
"""

from __future__ import annotations

from django.db.models import QuerySet

from recognition.events.models import Event
from recognition.people.models import Collection
from recognition.people.services.negatives import negative_add, negatives_delete


def negative_follow(event: Event, collection: Collection) -> None:
    """Keep the event's face as one that is not its person's while the event is rejected."""
    if event.review != Event.Review.REJECTED:
        negatives_of_events_delete(Event.objects.filter(pk=event.pk), collection)
        event.negative = None
        return
    is_ours = event.model_id == collection.embedder_id
    if event.negative_id or event.person_id is None or event.vector is None or not is_ours:
        return
    event.negative = negative_add(collection, event.person_id, bytes(event.vector))
    event.save(update_fields=["negative"])


def negatives_of_events_delete(events: QuerySet[Event], collection: Collection) -> None:
    rejected = events.order_by().filter(negative__isnull=False)
    negatives_delete(collection, list(rejected.values_list("negative", flat=True)))
