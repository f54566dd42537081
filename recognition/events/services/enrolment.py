"""Enrol the face of an event."""

from __future__ import annotations

from accounts.audit import Actor, record
from recognition.events.models import Event
from recognition.events.services.negatives import negative_follow
from recognition.events.services.publishing import announce
from recognition.events.services.vectors import event_vector
from recognition.people.models import Collection, FaceImage, Person, Template
from recognition.people.services.enrolment import (
    ImageOutcome,
    check_collection,
    collection_for_enrolment,
    crop_enrol,
)
from recognition.people.services.inspection import LiveCrop
from recognition.web.errors import ServiceError, not_found


def event_enrol(
    *, event: Event, person: Person | None = None, name: str | None = None, actor: Actor
) -> tuple[Person | None, ImageOutcome]:
    """Enrol the face of an event for `person`, or for a new person with this name. The event gets
    the same person. If the picture is refused, no person is made.

    ServiceError 409 if the picture of the event is gone.
    """
    collection = collection_for_enrolment(event.collection_id)
    check_collection(person, collection)
    outcome = crop_enrol(
        collection=collection,
        person=person,
        name=name or "",
        crop=_crop(event, collection),
        actor=actor,
        then=lambda owner, image: _name_event(event, collection, owner, image, actor),
    )
    if not outcome.accepted:
        record(actor, "image.refuse", event, collection_id=collection.pk, codes={outcome.code: 1})
    return outcome.image.person if outcome.image is not None else person, outcome


def _crop(event: Event, collection: Collection) -> LiveCrop:
    vector = event_vector(event, collection.embedder_id)
    return LiveCrop(
        jpeg=_face_jpeg(event),
        vector=Template.unpack(vector) if vector else None,
        quality=event.quality,
    )


def _face_jpeg(event: Event) -> bytes:
    try:
        if event.face:
            with event.face.open("rb") as file:
                return file.read()
    except FileNotFoundError:
        pass
    message = "The picture of this face no longer exists."
    raise ServiceError("event_has_no_face", message, status=409)


def _name_event(
    event: Event, collection: Collection, person: Person, image: FaceImage, actor: Actor
) -> None:
    row = Event.objects.select_for_update().filter(pk=event.pk).first()
    if row is None:
        raise not_found("event")
    row.person, row.image = person, image
    row.decision = Event.Decision.MATCH
    row.review = Event.Review.CONFIRMED
    row.save(update_fields=["person", "image", "decision", "review"])
    # The event is confirmed now, so its face no longer counts as "not this person".
    negative_follow(row, collection)
    record(actor, "event.name", row, collection_id=row.collection_id, person=str(person.pk))
    announce(row, "event.decided")
