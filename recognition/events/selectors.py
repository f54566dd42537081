"""Reads of events, limited to what a caller may see."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, Q, QuerySet, Subquery, Value
from django.utils import timezone

from accounts.access import Access
from recognition.cameras.models import Camera
from recognition.cameras.selectors import camera_by_id, cameras_visible
from recognition.events.models import Event, Recording
from recognition.people.models import FaceImage, Person
from recognition.people.selectors import (
    collection_by_id,
    images_list,
    person_by_id,
    persons_labelled,
    persons_list,
)
from recognition.web.boundaries import ColumnValues
from recognition.web.visible import limited, one

_FEW = 1000


def events_list(
    access: Access,
    *,
    collection: UUID | None = None,
    camera: UUID | None = None,
    person: UUID | None = None,
    decision: str | None = None,
    review: str | None = None,
    label: str | None = None,
    recording: UUID | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    is_open: bool | None = None,
) -> QuerySet[Event]:
    """Events, newest first. since: last seen at this time or later; until: started before this
    time. collection, camera, person and recording are ids of rows that the caller must be
    allowed to see."""
    wanted: ColumnValues = {}
    if collection is not None:
        wanted["collection"] = collection_by_id(access, collection)
    if camera is not None:
        wanted["camera"] = camera_by_id(access, camera)
    if person is not None:
        wanted["person"] = person_by_id(access, person)
    if recording is not None:
        # Without a stream it has no visits yet.
        stream = recording_by_id(access, recording).stream_id
        wanted |= {"stream": stream} if stream else {"pk__in": ()}
    options = {
        "decision": decision,
        "review": review,
        "is_open": is_open,
        "ended_at__gte": since,
        "started_at__lt": until,
    }
    wanted |= {name: value for name, value in options.items() if value is not None}
    events = _events(access).filter(**wanted)
    if label is not None:
        labelled = persons_labelled(Person.objects.all(), label)
        events, is_of_them = with_person_among(events, labelled)
        events = events.filter(is_of_them)
    return events


def with_person_among(events: QuerySet[Event], people: QuerySet[Person]) -> tuple[QuerySet[Any], Q]:
    """The events, and a condition that selects those of these people. If the people are few, the
    condition lists their ids. Otherwise it looks up the person of each event, so that the database
    reads events in the order of the list only until the page is full. With a join it would first
    sort all events of these people."""
    few = list(people.order_by().values_list("pk", flat=True)[: _FEW + 1])
    if len(few) <= _FEW:
        return events, Q(person__in=few)
    same = people.filter(pk=OuterRef("person_id")).order_by().annotate(one=Value(1))
    return events.alias(is_among=Subquery(same.values("one")[:1])), Q(is_among=1)


def event_by_id(access: Access, event_id: UUID) -> Event:
    return one(_events(access), event_id, "event")


def matched_image(event: Event) -> FaceImage | None:
    """The photo that the face matched; None if this photo now belongs to another person."""
    image = event.image
    return image if image is not None and image.person_id == event.person_id else None


def counts(access: Access) -> dict[str, int]:
    """Counts for the start page. A day begins at midnight in the site's time zone."""
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    today = _events(access).filter(started_at__gte=midnight)
    running = cameras_visible(access).filter(status=Camera.Status.RUNNING)
    return {
        "persons": persons_list(access).count(),
        "images": images_list(access).count(),
        "events_today": today.count(),
        "unknown_today": today.filter(decision=Event.Decision.UNKNOWN).count(),
        "cameras_running": running.count(),
    }


def _events(access: Access) -> QuerySet[Event]:
    # Joins with camera and person, which may be null, do not change the order in which events are
    # read. A join with the collection would, and then all events would be sorted for each page.
    return limited(Event.objects.select_related("camera", "person", "clip").defer("vector"), access)


def recordings_list(access: Access, *, collection: UUID | None = None) -> QuerySet[Recording]:
    """Newest first."""
    rows = limited(
        Recording.objects.select_related("collection", "camera", "archive", "job"), access
    )
    if collection is None:
        return rows
    return rows.filter(collection=collection_by_id(access, collection))


def recording_by_id(access: Access, recording_id: UUID) -> Recording:
    return one(recordings_list(access), recording_id, "recording")
