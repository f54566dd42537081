"""Cameras: made, changed and removed, with an entry in the audit log; and how they are doing."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Concat

from accounts.audit import Actor, record
from recognition.cameras.areas import checked_areas
from recognition.cameras.models import Camera, Stream
from recognition.cameras.services.hosts import default_node
from recognition.cameras.sources import BROWSER, KINDS, played_kinds
from recognition.cameras.sources.addresses import credentials_apart, host_of
from recognition.people.models import Collection
from recognition.people.selectors import model_named
from recognition.people.services.locks import lock_collection
from recognition.web.boundaries import ColumnValues
from recognition.web.errors import ServiceError, not_found
from recognition.web.leases import DatabaseTime, Lease, held_by, lapsed, release, take
from recognition.web.process import process
from recognition.web.transactions import in_transaction

_WAITS = Q(is_enabled=True, kind__in=played_kinds())
# How a camera is doing that no process plays; for `update`.
_IDLE: ColumnValues = {
    "status": Case(
        When(_WAITS, then=Value(Camera.Status.WAITING)), default=Value(Camera.Status.OFF)
    ),
    "status_message": Case(
        When(
            _WAITS & ~Q(node=""), then=Concat(Value("Waiting for its node "), F("node"), Value("."))
        ),
        When(_WAITS, then=Value("Waiting for a process that plays cameras.")),
        default=Value(""),
    ),
}
# The same, of one that was played until now.
LEFT: ColumnValues = _IDLE | {"status_since": DatabaseTime()}


@transaction.atomic
def camera_create(*, collection: Collection, actor: Actor, **values: Any) -> Camera:
    camera = Camera(collection=collection)
    camera_set(camera, values)
    _check_model(camera)
    _save(camera)
    record(actor, "camera.create", camera, collection_id=collection.pk, kind=camera.kind)
    return _with_status(camera)


@transaction.atomic
def camera_update(*, camera: Camera, actor: Actor, **changes: Any) -> Camera:
    """The camera with the changes; while a process plays it, that process says how it is doing."""
    is_seen_otherwise = not changes.keys().isdisjoint({"model", "collection"})
    if is_seen_otherwise:  # locked before the camera, as everywhere
        moved_to = changes.get("collection")
        lock_collection(moved_to.pk if moved_to is not None else camera.collection_id)
    row = Camera.objects.select_for_update().filter(pk=camera.pk).first()
    if row is None:
        raise not_found("camera")
    changed = camera_set(row, changes)
    if is_seen_otherwise:
        _check_model(row)
    _save(row, changed)
    record(actor, "camera.update", row, collection_id=row.collection_id, changed=sorted(changed))
    return _with_status(row)


def camera_set(camera: Camera, values: ColumnValues) -> list[str]:
    """Set the fields of a row that is not saved here; returns which ones. `user:password@` of the
    address goes into the fields for them, unless these are given. ServiceError."""
    values = dict(_checked(values))
    old_host = host_of(camera.address)
    if "address" in values:
        values["address"], *login = credentials_apart(values["address"])
        for name, text in zip(("username", "password"), login, strict=True):
            if text and not values.get(name):
                values[name] = text
    kept = {name for name in ("username", "password") if getattr(camera, name)} - set(values)
    for name, value in values.items():
        setattr(camera, name, value)
    if kept and host_of(camera.address) != old_host:
        # Else a stored password could be sent to any host, and read there.
        message = "Its host changes: enter the user name and password again, or remove them."
        raise ServiceError("credentials_needed", message)
    return list(values)


def _check_model(camera: Camera) -> None:
    """ServiceError 409 if its collection has no such model: of another collection, not complete, or
    let go. The collection is locked, so that the model stays."""
    if camera.model is not None:
        model_named(lock_collection(camera.collection_id), camera.model.version)


@transaction.atomic
def camera_delete(*, camera: Camera, actor: Actor) -> None:
    """Its events stay, without the camera."""
    record(actor, "camera.delete", camera, collection_id=camera.collection_id)
    camera.delete()


def camera_show(*, camera_id: UUID, lease: Lease, status: Camera.Status, message: str) -> bool:
    """How a camera is doing, as the process that plays it says. False: another one plays it."""
    mine = held_by(Camera.objects.filter(pk=camera_id), lease)

    def show() -> bool:
        mine.exclude(status=status).update(status_since=DatabaseTime())
        return bool(mine.update(status=status, status_message=message))

    return in_transaction(show)


def camera_give_back(*, camera_id: UUID, lease: Lease) -> None:
    """Another process may play it."""
    release(Camera.objects.filter(pk=camera_id), lease, **LEFT)


def camera_follow_streams(camera_id: UUID) -> None:
    """Within a transaction: a browser's camera runs while a stream comes from it."""
    browser = Camera.objects.filter(pk=camera_id, kind=BROWSER)
    # Of two streams that end at once, the second sees that the first has ended.
    if browser.select_for_update().first() is None:
        return
    is_on = Stream.objects.filter(camera=camera_id, ended_at=None).exists()
    status = Camera.Status.RUNNING if is_on else Camera.Status.OFF
    browser.exclude(status=status).update(status_since=DatabaseTime())
    browser.update(status=status, status_message="")


def cameras_free_lapsed() -> int:
    """Cameras that their process left without a word wait for another one; returns how many."""
    mine = process().id
    left = lapsed(Camera.objects.exclude(owner=mine)).order_by().values_list("pk", flat=True)
    freed = 0
    for pk in list(left):
        row = Camera.objects.filter(pk=pk)
        if (lease := take(row, owner=mine)) is not None:
            freed += release(row, lease, **LEFT)
    return freed


def _checked(values: ColumnValues) -> ColumnValues:
    """The values of a camera, with complete areas; ServiceError."""
    if "areas" not in values:
        return values
    try:
        return values | {"areas": checked_areas(values["areas"])}
    except ValidationError as error:
        raise ServiceError("invalid_areas", error.messages[0]) from error


def _with_status(camera: Camera) -> Camera:
    if camera.kind == BROWSER:
        camera_follow_streams(camera.pk)
    else:
        idle = Camera.objects.filter(pk=camera.pk, owner="")
        idle.exclude(status=_IDLE["status"]).update(status_since=DatabaseTime())
        idle.update(**_IDLE)
    camera.refresh_from_db(fields=["status", "status_message", "status_since"])
    return camera


def _save(camera: Camera, fields: list[str] | None = None) -> None:
    if (kind := KINDS.get(camera.kind)) and kind.source:
        if kind.is_local and not camera.node:
            camera.node = default_node()
        kind.load().check(camera)
    if camera.has_clips and not (kind and kind.has_packets):
        message = "Only network cameras can keep clips: set clip_after_s to 0."
        raise ServiceError("no_clips", message)
    try:
        with transaction.atomic():
            # The node may have been filled in.
            camera.save(update_fields=fields and {*fields, "node"})
    except IntegrityError as error:
        message = "There is a camera of this name already."
        raise ServiceError("name_taken", message, status=409) from error
