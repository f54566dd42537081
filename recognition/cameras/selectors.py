"""Reads of cameras, limited to what a caller may see."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, QuerySet

from accounts.access import Access
from recognition.cameras.models import Camera, CameraHub, CameraMinute, Stream
from recognition.web.leases import DatabaseTime, lapsed
from recognition.web.visible import limited, one


def cameras_visible(access: Access) -> QuerySet[Camera]:
    return limited(Camera.objects.all(), access)


def camera_by_id(access: Access, camera_id: UUID) -> Camera:
    cameras = cameras_visible(access).select_related("collection__embedder")
    return one(cameras, camera_id, "camera")


@dataclass(frozen=True, slots=True)
class Stranger:
    """A sender at a hub that no camera names."""

    kind: str
    node: str
    name: str
    frames: int


def strangers(access: Access) -> list[Stranger]:
    """None for a caller who may not see the cameras of all collections."""
    if not access.is_signed_in or access.collection_id is not None:
        return []
    known = set(Camera.objects.values_list("kind", "node", "address"))
    return [
        Stranger(hub.kind, hub.node, name, frames)
        for hub in CameraHub.objects.exclude(strangers={})
        for name, frames in hub.strangers.items()
        if (hub.kind, hub.node, name) not in known
    ]


def camera_minutes(
    camera: Camera, *, since: datetime | None = None, until: datetime | None = None
) -> QuerySet[CameraMinute]:
    """Newest first. since: written then or later; until: before."""
    options = {"at__gte": since, "at__lt": until}
    return camera.minutes.filter(**{k: v for k, v in options.items() if v is not None})


def cameras_by_status() -> dict[str, int]:
    """How many cameras have each status."""
    found = Camera.objects.order_by().values_list("status").annotate(Count("pk"))
    return {**dict.fromkeys(Camera.Status.values, 0), **dict(found)}


def streams_by_state() -> dict[str, int]:
    """How many streams run, and how many a process has left open (`lost`)."""
    running = Stream.objects.filter(lease_until__gte=DatabaseTime())
    return {"running": running.count(), "lost": lapsed(Stream.objects.all()).count()}
