"""Who may stream or watch what, with an entry in the audit log; and streams as rows."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet

from accounts.access import Access
from accounts.audit import Actor, record
from recognition.cameras.models import Camera, Stream
from recognition.cameras.selectors import camera_by_id
from recognition.cameras.services.cameras import camera_follow_streams
from recognition.cameras.sources import BROWSER
from recognition.people import selectors
from recognition.people.models import Collection
from recognition.web.errors import ServiceError, not_found
from recognition.web.leases import DatabaseTime, Lease, release, take
from recognition.web.process import process
from recognition.web.transactions import in_transaction


@dataclass(frozen=True, slots=True)
class OwnStream:
    """A stream that this process works on, with the lease that its writes must name."""

    id: UUID
    collection: Collection
    camera: Camera | None
    lease: Lease

    @property
    def rows(self) -> QuerySet[Stream]:
        return Stream.objects.filter(pk=self.id)


def stream_begin(
    *, stream_id: UUID, collection: Collection, camera: Camera | None, caller: str = ""
) -> OwnStream:
    """Write that a stream begins, and own it. A browser's camera runs from then on.

    caller: as in the audit log; empty if the server plays the camera. `not_found` if the collection
    is gone.
    """

    def begin() -> OwnStream:
        if not Collection.objects.filter(pk=collection.pk).exists():
            raise not_found("collection")
        there = Camera.objects.filter(pk=camera.pk).first() if camera else None
        Stream.objects.create(
            pk=stream_id, collection_id=collection.pk, camera=there, caller=caller[:200]
        )
        lease = take(Stream.objects.filter(pk=stream_id), owner=process().id)
        assert lease is not None  # nobody else can see the row before the commit
        if there is not None:
            camera_follow_streams(there.pk)
        return OwnStream(stream_id, collection, camera, lease)

    return in_transaction(begin)


def stream_finish(stream: Stream, lease: Lease) -> bool:
    """Within a transaction: the stream is over. False if it is another's."""
    ended = release(Stream.objects.filter(pk=stream.pk), lease, ended_at=DatabaseTime())
    if stream.camera_id is not None:
        camera_follow_streams(stream.camera_id)
    return ended


def stream_open(
    *, access: Access, collection_id: UUID | None, camera_id: UUID | None, actor: Actor
) -> tuple[Collection, Camera | None]:
    """The collection that a caller's own stream is compared with, and the camera it is filed under.

    The collection may be left out where a camera is named, or where the caller sees only one.
    """
    camera = _browser_camera(access, camera_id) if camera_id is not None else None
    if camera is not None and collection_id not in (None, camera.collection_id):
        raise ServiceError("wrong_collection", "This camera belongs to another collection.")
    collection = (
        camera.collection if camera else selectors.collection_or_only(access, collection_id)
    )
    record(
        actor,
        "stream.start",
        collection,
        collection_id=collection.pk,
        camera=str(camera.pk) if camera else None,
    )
    return collection, camera


def camera_watch(*, access: Access, camera_id: UUID, actor: Actor) -> Camera:
    """A camera whose pictures the caller is about to see."""
    camera = camera_by_id(access, camera_id)
    record(actor, "camera.watch", camera, collection_id=camera.collection_id)
    return camera


def events_watch(*, access: Access, actor: Actor) -> None:
    """The caller is about to be told every event that they may see."""
    record(actor, "events.watch", collection_id=access.collection_id)


def _browser_camera(access: Access, camera_id: UUID) -> Camera:
    camera = camera_by_id(access, camera_id)
    if camera.kind != BROWSER:
        raise ServiceError("not_a_browser_camera", "The server plays this camera itself.")
    if not camera.is_enabled:
        raise ServiceError("camera_disabled", "This camera is switched off.", status=409)
    return camera
