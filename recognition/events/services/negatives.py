"""Negatives from rejected events. A negative is kept while the event is rejected.

Each function runs in a transaction that has locked the collection.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import QuerySet

from recognition.events.models import Event
from recognition.people.models import Collection
from recognition.people.services.negatives import negative_add, negatives_delete


def negative_follow(
    event: Event, collection: Collection, vectors: Mapping[int, bytes] | None = None
) -> None:
    """Store the face of a rejected event as a negative of its person, or remove the negative if the
    event is no longer rejected. vectors: of the face, by the id of their model."""
    if event.review != Event.Review.REJECTED:
        negatives_of_events_delete(Event.objects.filter(pk=event.pk), collection)
        event.negative = None
        return
    # An erasure may have removed the picture after the vectors were made of it.
    if event.negative_id or event.person_id is None or not event.face or not vectors:
        return
    event.negative = negative_add(collection, event.person_id, vectors)
    event.save(update_fields=["negative"])


def negatives_of_events_delete(events: QuerySet[Event], collection: Collection) -> None:
    rejected = events.order_by().filter(negative__isnull=False)
    negatives_delete(collection, list(rejected.values_list("negative", flat=True)))
