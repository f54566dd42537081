"""Negatives from rejected events. A negative is kept while the event is rejected.

Each function runs in a transaction that has locked the collection.
"""

from __future__ import annotations

from django.db.models import QuerySet

from recognition.events.models import Event
from recognition.people.models import Collection
from recognition.people.services.negatives import negative_add, negatives_delete


def negative_follow(event: Event, collection: Collection) -> None:
    """Store the face of a rejected event as a negative of its person, or remove the negative if the
    event is no longer rejected."""
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
