"""Cameras: made, changed and removed, with an entry in the audit log."""

from __future__ import annotations

import os
from pathlib import PurePath
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction

from accounts.audit import Actor, record
from recognition.cameras.models import Camera
from recognition.people.models import Collection
from recognition.web.errors import ServiceError, not_found


@transaction.atomic
def camera_create(*, collection: Collection, actor: Actor, **values: Any) -> Camera:
    camera = Camera(collection=collection, **values)
    _save(camera)
    record(actor, "camera.create", camera, collection_id=collection.pk, kind=camera.kind)
    return camera


@transaction.atomic
def camera_update(*, camera: Camera, actor: Actor, **changes: Any) -> Camera:
    """The camera with the changes; its status, which another process may write, stays as it is."""
    row = Camera.objects.select_for_update().filter(pk=camera.pk).first()
    if row is None:
        raise not_found("camera")
    for name, value in changes.items():
        setattr(row, name, value)
    _save(row, list(changes))
    record(actor, "camera.update", row, collection_id=row.collection_id, changed=sorted(changes))
    return row


@transaction.atomic
def camera_delete(*, camera: Camera, actor: Actor) -> None:
    """Its events stay, without the camera."""
    record(actor, "camera.delete", camera, collection_id=camera.collection_id)
    camera.delete()


def camera_set_status(*, camera_id: UUID, status: Camera.Status, message: str) -> None:
    """How a camera is doing, as the process that gets its frames says."""
    Camera.objects.filter(pk=camera_id).update(status=status, status_message=message)


def cameras_set_off() -> int:
    """What a process that went away left in the rows; returns how many."""
    left = Camera.objects.exclude(status=Camera.Status.OFF)
    return left.update(status=Camera.Status.OFF, status_message="")


def _save(camera: Camera, fields: list[str] | None = None) -> None:
    if camera.kind == Camera.Kind.FILE:
        _check_video(camera.address)
    try:
        with transaction.atomic():
            camera.save(update_fields=fields)
    except IntegrityError as error:
        message = "There is a camera of this name already."
        raise ServiceError("name_taken", message, status=409) from error


def _check_video(name: str) -> None:
    """A file camera plays a file of the video folder, and nothing outside it."""
    plain = bool(name) and "\0" not in name and PurePath(name).name == name
    # isfile() and not is_file(): a name that the system finds too long is no file either.
    if not plain or not os.path.isfile(settings.VIDEO_DIR / name):  # noqa: PTH113
        message = "Name a file in the video folder of the server."
        raise ServiceError("no_such_video", message, status=400)
