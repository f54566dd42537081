"""Events: live streams open, update and close them, users review them, and old ones are deleted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np
from django.db.models import Q, QuerySet
from django.utils import timezone
from numpy.typing import NDArray

from accounts.audit import SYSTEM, Actor, record
from recognition.cameras.models import Camera
from recognition.cameras.services.streams import OwnStream
from recognition.events.models import Event
from recognition.events.services.clips import (
    ClipWanted,
    clip_begin,
    clip_ids_of,
    clips_delete_unused,
)
from recognition.events.services.negatives import negative_follow, negatives_of_events_delete
from recognition.events.services.publishing import announce, announce_progress
from recognition.events.services.vectors import vectors_for
from recognition.people.models import Collection, FaceImage, ModelVersion, Person, Template
from recognition.people.services.locks import lock_collection
from recognition.web.errors import not_found
from recognition.web.files import NewFiles, remove_after_commit
from recognition.web.leases import lock_held
from recognition.web.transactions import in_transaction

_BATCH = 200
_RANK = {Event.Decision.UNKNOWN: 0, Event.Decision.AMBIGUOUS: 1, Event.Decision.MATCH: 2}


@dataclass(frozen=True, slots=True)
class VisitSeen:
    """What a stream knows about a visit at one moment.

    decision: match, unknown or ambiguous. Person and template are set only for a match.
    decided_by: version of the model that decided.
    box: the face on the snapshot: x, y, width, height, each 0..1.
    quality: quality of the face in `face_jpeg`, 0..1. Pictures and vector may be None if the stored
    ones are as good. vector_model: made the vector; None is the model of the stream.
    pictures_at: when the pictures were taken, if that is not `at`. is_revised: the stream took an
    earlier decision back.
    """

    decision: str
    threshold: float
    at: datetime
    decided_by: str = ""
    person_id: UUID | None = None
    similarity: float | None = None
    fmr: float | None = None
    template_id: int | None = None
    quality: float = 0.0
    snapshot_jpeg: bytes | None = None
    box: tuple[float, ...] = ()
    face_jpeg: bytes | None = None
    vector: NDArray[np.float32] | None = None
    vector_model: ModelVersion | None = None
    pictures_at: datetime | None = None
    is_revised: bool = False


def event_open(
    *,
    stream: OwnStream,
    model: ModelVersion | None,
    seen: VisitSeen,
    started_at: datetime,
    clip: ClipWanted | None = None,
) -> Event:
    """Make an event for a new visit. If its person was erased meanwhile, the event begins as
    unknown. If any person of the collection was erased after the pictures were taken, the pictures
    are not stored, because they may show that person. clip: is being recorded for it.

    `not_found` if the collection is gone. LeaseLost if another process ended the stream.
    """
    collection_id = stream.collection.pk
    with NewFiles() as files:
        pictures = Event()
        _write_pictures(pictures, seen, files)

        def insert() -> Event:
            event = _new_event(stream, model=model, started_at=started_at, ended_at=seen.at)
            event.pk = pictures.pk
            may_take = _lock_pictures(collection_id, seen)
            person = _lock_person_of(collection_id, seen)
            _identify(event, seen, person)
            if may_take and not _is_gone(seen, person):
                _take_pictures(event, pictures)
                if clip is not None:
                    clip_begin(event, clip)
            # Lock the stream last: until then its lease can be renewed.
            lock_held(stream.rows, stream.lease)
            event.save(force_insert=True)
            announce(event, "event.opened")
            return event

        event = in_transaction(insert)
        if not (event.face or event.snapshot):
            files.discard_all()
        return event


def _new_event(
    stream: OwnStream, *, model: ModelVersion | None, started_at: datetime, ended_at: datetime
) -> Event:
    if not Collection.objects.filter(pk=stream.collection.pk).exists():
        raise not_found("collection")
    return Event(
        collection_id=stream.collection.pk,
        camera=_still_there(stream.camera),
        stream_id=stream.id,
        model=model,
        started_at=started_at,
        ended_at=ended_at,
    )


def event_update(
    *, event: Event, stream: OwnStream, seen: VisitSeen, ended_at: datetime, is_open: bool = True
) -> Event:
    """Update the event of a visit that goes on or has ended (`is_open` False). A clearer face
    replaces the stored pictures. The decision can become more certain, never less, unless the
    stream takes it back. The decision of a reviewed event does not change. Pictures that were taken
    before any person of the collection was erased are not stored.

    `not_found` if the event was deleted meanwhile. LeaseLost if another process ended the stream.
    """
    with NewFiles() as files:
        pictures = Event(pk=event.pk)
        if seen.quality > event.quality:
            _write_pictures(pictures, seen, files)

        def update() -> Event:
            may_take = _lock_pictures(event.collection_id, seen)
            person = _lock_person_of(event.collection_id, seen)
            row = _locked(event.pk)
            before = _decided(row)
            row.ended_at, row.is_open = max(row.ended_at, ended_at), is_open
            is_gone = _is_gone(seen, person)
            if may_take and not is_gone:
                _take_pictures(row, pictures)
            if not is_gone:
                _improve(row, seen, person)
            lock_held(stream.rows, stream.lease)
            row.save()
            _announce_update(row, is_decided_anew=_decided(row) != before)
            return row

        row = in_transaction(update)
        if pictures.snapshot.name != row.snapshot.name:
            files.discard(pictures.snapshot)
        if pictures.face.name != row.face.name:
            files.discard(pictures.face)
        return row


def _decided(event: Event) -> tuple[str, UUID | None]:
    return event.decision, event.person_id


def _announce_update(event: Event, *, is_decided_anew: bool) -> None:
    if not event.is_open:
        announce(event, "event.closed")
    elif is_decided_anew:
        announce(event, "event.decided")
    else:
        announce_progress(event)


def event_review(*, event: Event, review: str, actor: Actor) -> Event:
    """Store a user's review of an event. If the user rejects the name, similar faces do not get it
    again."""

    vectors: dict[int, bytes] = {}
    if review == Event.Review.REJECTED and event.negative_id is None and event.person_id:
        models = Collection.objects.select_related("embedder", "candidate")
        collection = models.filter(pk=event.collection_id).first()
        vectors = vectors_for(event, collection, actor) if collection else {}

    def update() -> Event:
        collection = lock_collection(event.collection_id)
        row = _locked(event.pk)
        row.review = review
        row.save(update_fields=["review"])
        negative_follow(row, collection, vectors)
        record(actor, "event.review", row, collection_id=row.collection_id, review=review)
        announce(row, "event.decided")
        return row

    return in_transaction(update)


def event_delete(*, event: Event, actor: Actor) -> None:
    """Delete the event, its pictures and its clip."""

    def delete() -> None:
        collection = lock_collection(event.collection_id)
        row = _locked(event.pk)
        record(actor, "event.delete", row, collection_id=row.collection_id)
        events_delete(Event.objects.filter(pk=row.pk), collection)
        announce(row, "event.deleted")

    in_transaction(delete)


def events_delete(events: QuerySet[Event], collection: Collection) -> int:
    """Delete events, and their files after the commit; returns the number of rows. A clip stays
    while another event has it. Called in a transaction that has locked the collection."""
    negatives_of_events_delete(events, collection)
    remove_after_commit(name for names in events.values_list("snapshot", "face") for name in names)
    clips = clip_ids_of(events)
    deleted = events.order_by().delete()[0]
    remove_after_commit(clips_delete_unused(clips))
    return deleted


def events_of_collection_delete(collection: Collection) -> None:
    events_delete(Event.objects.filter(collection=collection), collection)


def events_prune(now: datetime | None = None) -> int:
    """Delete events that are older than the retention of their collection. Events of unknown faces
    have their own retention."""
    now = now or timezone.now()
    return sum(_prune(collection, now) for collection in Collection.objects.all())


def _prune(collection: Collection, now: datetime) -> int:
    is_old = Q(pk__in=[])
    if collection.event_retention_days:
        limit = now - timedelta(days=collection.event_retention_days)
        is_old |= Q(ended_at__lt=limit)
    if collection.unknown_retention_days:
        limit = now - timedelta(days=collection.unknown_retention_days)
        is_old |= Q(ended_at__lt=limit) & ~Q(decision=Event.Decision.MATCH)
    old = Event.objects.filter(is_old, collection=collection, is_open=False)
    deleted = 0
    while batch := list(old.values_list("pk", flat=True)[:_BATCH]):
        deleted += in_transaction(_deletion(collection.pk, batch))
    if deleted:
        record(SYSTEM, "event.prune", collection, collection_id=collection.pk, events=deleted)
    return deleted


def _deletion(collection_id: UUID, pks: list[UUID]) -> Callable[[], int]:
    return lambda: events_delete(Event.objects.filter(pk__in=pks), lock_collection(collection_id))


def _locked(event_id: UUID) -> Event:
    row = Event.objects.select_for_update().filter(pk=event_id).first()
    if row is None:
        raise not_found("event")
    return row


def _lock_person_of(collection_id: UUID, seen: VisitSeen) -> Person | None:
    """The person of the visit, locked; None if there is none or the person was erased."""
    if seen.person_id is None:
        return None
    lock_collection(collection_id)
    return Person.objects.select_for_update().filter(pk=seen.person_id).first()


def _lock_pictures(collection_id: UUID, seen: VisitSeen) -> bool:
    """True if the pictures may be stored: no person of the collection was erased since they were
    taken. If there are pictures, the collection stays locked, so that no person can be erased
    before the transaction ends."""
    if not (seen.snapshot_jpeg or seen.face_jpeg):
        return True
    erased_at = lock_collection(collection_id).last_erasure_at
    return erased_at is None or erased_at < (seen.pictures_at or seen.at)


def _is_gone(seen: VisitSeen, person: Person | None) -> bool:
    """True if the person that the stream names was erased."""
    return seen.person_id is not None and person is None


def _still_there(camera: Camera | None) -> Camera | None:
    there = camera is not None and Camera.objects.filter(pk=camera.pk).exists()
    return camera if there else None


def _write_pictures(event: Event, seen: VisitSeen, files: NewFiles) -> None:
    if seen.snapshot_jpeg:
        files.write(event.snapshot, seen.snapshot_jpeg)
        event.box = list(seen.box)
    if seen.face_jpeg:
        files.write(event.face, seen.face_jpeg)
        event.quality = seen.quality
        event.vector = Template.pack(seen.vector) if seen.vector is not None else None
        event.model = seen.vector_model


def _take_pictures(row: Event, fresh: Event) -> None:
    """Replace the stored pictures by the newly written ones."""
    if fresh.snapshot:
        remove_after_commit([row.snapshot.name])
        row.snapshot, row.box = fresh.snapshot.name, fresh.box
    if fresh.face:
        if row.face:
            remove_after_commit([row.face.name])
            row.other_vectors.all().delete()  # of the former picture
        row.face = fresh.face.name
        row.quality, row.vector = fresh.quality, fresh.vector
        row.model = fresh.model or row.model


def _improve(row: Event, seen: VisitSeen, person: Person | None) -> None:
    if row.review != Event.Review.NONE:
        return
    rank, before = _RANK[Event.Decision(seen.decision)], _RANK[Event.Decision(row.decision)]
    is_closer = _or_least(seen.similarity) > _or_least(row.similarity)
    if seen.is_revised or rank > before or (rank == before and is_closer):
        _identify(row, seen, person)


def _or_least(similarity: float | None) -> float:
    return -1.0 if similarity is None else similarity


def _identify(event: Event, seen: VisitSeen, person: Person | None) -> None:
    """Copy the decision of the stream to the event."""
    is_gone = _is_gone(seen, person)
    event.decision = Event.Decision.UNKNOWN if is_gone else seen.decision
    event.person = person
    event.similarity = None if is_gone else seen.similarity
    event.false_match_rate = None if is_gone else seen.fmr
    event.threshold = seen.threshold
    event.decided_by = seen.decided_by
    event.image = _image_of(seen.template_id, person)


def _image_of(template_id: int | None, person: Person | None) -> FaceImage | None:
    if template_id is None or person is None:
        return None
    return FaceImage.objects.filter(templates=template_id, person=person).first()
