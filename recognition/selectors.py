"""Every read across rows, limited to what a caller may see.

An API key may be limited to one collection; what lies outside it is "not there", so that nobody
learns of it. Scopes are asked for at the edges.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Model, Q, QuerySet
from django.utils import timezone

from accounts.access import Access
from recognition.models import Camera, Collection, Event, FaceImage, Person
from recognition.web.errors import not_found

M = TypeVar("M", bound=Model)


def collections_visible(access: Access) -> QuerySet[Collection]:
    return _limited(Collection.objects.select_related("embedder"), access, "pk")


def collection_by_id(access: Access, collection_id: UUID) -> Collection:
    return _one(collections_visible(access), collection_id, "collection")


def persons_list(
    access: Access,
    *,
    collection: Collection | None = None,
    query: str | None = None,
    external_id: str | None = None,
) -> QuerySet[Person]:
    """query: part of a name, or of an external id."""
    people = _limited(Person.objects.select_related("collection__embedder"), access)
    if collection is not None:
        people = people.filter(collection=collection)
    if query:
        people = people.filter(Q(name__icontains=query) | Q(external_id__icontains=query))
    if external_id is not None:
        people = people.filter(external_id=external_id)
    return people


def person_by_id(access: Access, person_id: UUID) -> Person:
    return _one(persons_list(access), person_id, "person")


def images_list(
    access: Access, *, collection: Collection | None = None, person: Person | None = None
) -> QuerySet[FaceImage]:
    images = FaceImage.objects.select_related("person__collection__embedder")
    images = _limited(images, access, "person__collection_id")
    if collection is not None:
        images = images.filter(person__collection=collection)
    if person is not None:
        images = images.filter(person=person)
    return images


def image_by_id(access: Access, image_id: UUID) -> FaceImage:
    return _one(images_list(access), image_id, "image")


def events_list(
    access: Access,
    *,
    collection: UUID | None = None,
    camera: UUID | None = None,
    person: UUID | None = None,
    decision: str | None = None,
    review: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    is_open: bool | None = None,
) -> QuerySet[Event]:
    """Newest first. since: still seen then or later; until: begun before. Collection, camera and
    person are ids, and must be visible."""
    wanted: dict[str, Any] = {}
    if collection is not None:
        wanted["collection"] = collection_by_id(access, collection)
    if camera is not None:
        wanted["camera"] = camera_by_id(access, camera)
    if person is not None:
        wanted["person"] = person_by_id(access, person)
    options = {
        "decision": decision,
        "review": review,
        "is_open": is_open,
        "ended_at__gte": since,
        "started_at__lt": until,
    }
    wanted |= {name: value for name, value in options.items() if value is not None}
    return _events(access).filter(**wanted)


def event_by_id(access: Access, event_id: UUID) -> Event:
    return _one(_events(access), event_id, "event")


def cameras_visible(access: Access) -> QuerySet[Camera]:
    return _limited(Camera.objects.select_related("collection__embedder"), access)


def camera_by_id(access: Access, camera_id: UUID) -> Camera:
    return _one(cameras_visible(access), camera_id, "camera")


def counts(access: Access) -> dict[str, int]:
    """Figures for a start page; days begin in the site's time zone."""
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
    events = Event.objects.select_related("collection__embedder", "camera", "person")
    return _limited(events.defer("vector"), access)


def _limited(rows: QuerySet[M], access: Access, field: str = "collection_id") -> QuerySet[M]:
    if not access.is_signed_in:
        return rows.none()
    if access.collection_id is None:
        return rows
    return rows.filter(**{field: access.collection_id})


def _one(rows: QuerySet[M], pk: UUID, what: str) -> M:
    row = rows.filter(pk=pk).first()
    if row is None:
        raise not_found(what)
    return row
