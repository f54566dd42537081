"""Reads of cameras, limited to what a caller may see."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from accounts.access import Access
from recognition.cameras.models import Camera
from recognition.web.visible import limited, one


def cameras_visible(access: Access) -> QuerySet[Camera]:
    return limited(Camera.objects.all(), access)


def camera_by_id(access: Access, camera_id: UUID) -> Camera:
    cameras = cameras_visible(access).select_related("collection__embedder")
    return one(cameras, camera_id, "camera")
