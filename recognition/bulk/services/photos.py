"""Enrol or refuse one photo of an import, and enrol a refused one if a user overrules it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import TypeVar

from accounts.audit import Actor, record
from ml_engine.types import EngineBusy
from recognition.bulk.models import ImportItem, ImportRun
from recognition.bulk.services.outcomes import (
    Overtaken,
    is_refusal,
    known_person,
    mark_enrolled,
    mark_refused,
    owner_of,
)
from recognition.jobs.context import JobContext
from recognition.people.models import Collection, FaceImage, Person
from recognition.people.services.enrolment import collection_for_enrolment, face_store
from recognition.people.services.face_choice import FaceChoice
from recognition.people.services.inspection import FaceToStore, Inspection, PictureRefused
from recognition.web.errors import ServiceError
from recognition.web.identifiers import uuid7

T = TypeVar("T")
_LONGEST_PAUSE_S = 5.0


def photo_enrol(
    context: JobContext,
    run: ImportRun,
    item: ImportItem,
    collection: Collection,
    read: Callable[[], bytes],
) -> None:
    """Examine the photo and write its outcome. Raises errors that do not concern this photo."""
    person, data = None, b""
    try:
        person = known_person(run, item)
        data = read()
        face = _look(context, collection, person, data)
        _store(context, run, item, collection, face)
    except PictureRefused as refused:
        mark_refused(context, item, refused, person=person, picture=data)
    except ServiceError as error:
        if not is_refusal(error):
            raise
        mark_refused(context, item, PictureRefused(error.code, error.message), person=person)


def item_enrol(*, item: ImportItem, actor: Actor) -> ImportItem:
    """Overrule a refusal: enrol the largest face of the photo for the person that it was sent for.

    ServiceError 409 `not_overruled` if a user may not overrule this refusal, 422 if the photo
    cannot be enrolled at all.
    """
    if not item.may_be_overruled:
        raise _not_overruled()
    run = item.run
    collection = collection_for_enrolment(run.collection_id)
    try:
        with item.picture.open("rb") as file:
            data = file.read()
    except FileNotFoundError:
        raise _not_overruled() from None

    def owner() -> Person:
        return owner_of(run, item, actor)

    def then(person: Person, image: FaceImage) -> None:
        mark_enrolled(item, person, image, before=ImportItem.State.REFUSED)
        record(actor, "import.overrule", item, collection_id=run.collection_id, code=item.code)

    try:
        known = known_person(run, item)
        person_id = known.pk if known else None
        look = Inspection(
            collection, person_id, caller=actor.name, choice=FaceChoice("largest"), insists=True
        )
        face = look.look_at_upload(data)
        if not face_store(collection=collection, face=face, image_id=uuid7(), owner=owner,
                          actor=actor, then=then):  # fmt: skip
            raise duplicate()
    except PictureRefused as refused:
        raise ServiceError(refused.code, refused.message, status=422) from refused
    except Overtaken:
        raise _not_overruled() from None
    item.refresh_from_db()
    return item


def patiently(context: JobContext, act: Callable[[], T]) -> T:
    """Call `act`, and wait and repeat while the engine is busy: other requests come first."""
    while True:
        try:
            return act()
        except EngineBusy as busy:
            context.check()
            time.sleep(min(busy.retry_after_s, _LONGEST_PAUSE_S))


def duplicate() -> PictureRefused:
    return PictureRefused("duplicate_image", "This picture of this person is already stored.")


def _look(
    context: JobContext, collection: Collection, person: Person | None, data: bytes
) -> FaceToStore:
    # Compare the bytes before any work is done.
    if person is not None and _has(person, hashlib.sha256(data).hexdigest()):
        raise duplicate()
    inspection = Inspection(
        collection,
        person.pk if person else None,
        caller=f"import:{context.job_id}",
        priority="bulk",
    )
    return patiently(context, lambda: inspection.look_at_upload(data))


def _store(
    context: JobContext,
    run: ImportRun,
    item: ImportItem,
    collection: Collection,
    face: FaceToStore,
) -> None:
    def owner() -> Person:
        context.check()
        return owner_of(run, item, context.actor)

    def then(person: Person, image: FaceImage) -> None:
        mark_enrolled(item, person, image)

    is_new = face_store(
        collection=collection,
        face=face,
        image_id=item.file_id(context.attempt),
        owner=owner,
        actor=context.actor,
        then=then,
    )
    if not is_new:
        raise duplicate()


def _has(person: Person, sha256: str) -> bool:
    return person.images.filter(sha256=sha256).exists()


def _not_overruled() -> ServiceError:
    message = "The refusal of this photo cannot be overruled, or the photo is gone."
    return ServiceError("not_overruled", message, status=409)
