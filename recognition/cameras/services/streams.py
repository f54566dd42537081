"""Who may stream or watch what, with an entry in the audit log."""

from __future__ import annotations

from uuid import UUID

from accounts.access import Access
from accounts.audit import Actor, record
from recognition.cameras.models import Camera
from recognition.cameras.selectors import camera_by_id
from recognition.people import selectors
from recognition.people.models import Collection
from recognition.web.errors import ServiceError


def stream_open(
    *, access: Access, collection_id: UUID | None, camera_id: UUID | None, actor: Actor
) -> tuple[Collection, Camera | None]:
    """The collection that a caller's own stream is compared with, and the camera it is filed under.

    The collection may be left out where a camera is named, or where the caller sees only one.
    """
    camera = _browser_camera(access, camera_id) if camera_id is not None else None
    if camera is not None and collection_id not in (None, camera.collection_id):
        raise ServiceError("wrong_collection", "This camera belongs to another collection.")
    collection = camera.collection if camera else _collection(access, collection_id)
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
    if camera.kind != Camera.Kind.BROWSER:
        raise ServiceError("not_a_browser_camera", "The server plays this camera itself.")
    if not camera.is_enabled:
        raise ServiceError("camera_disabled", "This camera is switched off.", status=409)
    return camera


def _collection(access: Access, collection_id: UUID | None) -> Collection:
    if collection_id is not None:
        return selectors.collection_by_id(access, collection_id)
    visible = list(selectors.collections_visible(access)[:2])
    if len(visible) != 1:
        raise ServiceError("collection_required", "Say which collection.")
    return visible[0]
