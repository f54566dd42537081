"""Import one face of an exported collection. If the collection has the same model version, the
template is taken over."""

from __future__ import annotations

from collections.abc import Callable

from recognition.bulk.models import ImportItem, ImportRun
from recognition.bulk.services.outcomes import (
    is_refusal,
    known_person,
    mark_enrolled,
    mark_refused,
    owner_of,
)
from recognition.bulk.services.photos import duplicate, patiently
from recognition.jobs.context import JobContext
from recognition.people.models import Collection, FaceImage, Person
from recognition.people.services.inspection import PictureRefused
from recognition.people.services.locks import lock_collection
from recognition.people.services.restoring import StoredFace, face_restore
from recognition.web.errors import ServiceError
from recognition.web.transactions import in_transaction


def face_take_over(
    context: JobContext,
    run: ImportRun,
    item: ImportItem,
    collection: Collection,
    read: Callable[[], StoredFace | None],
) -> None:
    """Store the face, or a person without images, and write the outcome."""
    try:
        face = read()
        if face is None:
            _add_person(context, run, item)
        else:
            patiently(context, lambda: _store(context, run, item, collection, face))
    except PictureRefused as refused:
        mark_refused(context, item, refused)
    except ServiceError as error:
        if not is_refusal(error):
            raise
        mark_refused(context, item, PictureRefused(error.code, error.message))


def _store(
    context: JobContext,
    run: ImportRun,
    item: ImportItem,
    collection: Collection,
    face: StoredFace,
) -> None:
    sha256 = face.values["sha256"]
    message = "The face and its template were taken over."
    if face.vector is None:
        there = ", ".join(face.models) or "none"
        message = f"Embedded again by {collection.embedder.version}; the export has {there}."

    def owner() -> Person:
        context.check()
        return owner_of(run, item, context.actor, sha256)

    def then(person: Person, image: FaceImage) -> None:
        mark_enrolled(item, person, image, message=message[:500])

    if not face_restore(
        collection=collection,
        face=face,
        image_id=item.file_id(context.attempt),
        owner=owner,
        actor=context.actor,
        then=then,
    ):
        raise duplicate()


def _add_person(context: JobContext, run: ImportRun, item: ImportItem) -> None:
    def add() -> None:
        context.check()
        lock_collection(run.collection_id)
        is_known = known_person(run, item) is not None
        person = owner_of(run, item, context.actor)
        told = "exists already" if is_known else "was added"
        mark_enrolled(item, person, None, message=f"The person {told}; there is no photo.")

    in_transaction(add)
