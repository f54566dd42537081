"""The person and the outcome of an item of an import. The outcome is written once."""

from __future__ import annotations

from django.db.models import QuerySet
from django.utils import timezone

from accounts.audit import Actor
from recognition.bulk.archives.photos import FOLDER_KEY
from recognition.bulk.models import ImportItem, ImportRun
from recognition.jobs.context import JobContext
from recognition.people.models import FaceImage, Person
from recognition.people.services.inspection import PictureRefused
from recognition.people.services.locks import lock_person
from recognition.people.services.persons import person_create
from recognition.web.errors import ServiceError
from recognition.web.files import NewFiles, remove_after_commit
from recognition.web.transactions import in_transaction


class Overtaken(Exception):
    """The item already has an outcome: its person was erased, or another caller was faster."""


def known_person(run: ImportRun, item: ImportItem, sha256: str = "") -> Person | None:
    """The person of this item, if the collection has this person; None if the person must be made.

    First the person of an earlier photo with the same key; then by external id; then, if no
    external id is given, by the exact name. sha256: hash of an exported face; if it is given, the
    person who has this face is used instead of the name. PictureRefused `ambiguous_name` if several
    people have the name.
    """
    people = Person.objects.filter(collection=run.collection_id)
    earlier = run.items.filter(person_key=item.person_key).exclude(person=None).first()
    if earlier is not None:
        return earlier.person
    if external_id := item.who.get("external_id"):
        return people.filter(external_id=external_id).first()
    if sha256:
        return people.filter(images__sha256=sha256).first()
    if item.person_key.startswith(FOLDER_KEY):
        folder = item.person_key.removeprefix(FOLDER_KEY)
        if (found := people.filter(external_id=folder).first()) is not None:
            return found
    return _by_name(people, item.who["name"])


def owner_of(run: ImportRun, item: ImportItem, actor: Actor, sha256: str = "") -> Person:
    """The person of this item, locked; made if there is none. Called in the transaction that stores
    the photo, which holds the lock of the collection."""
    known = known_person(run, item, sha256)
    if known is not None:
        return lock_person(known.pk)
    return person_create(collection=run.collection, actor=actor, **item.who)


def mark_enrolled(
    item: ImportItem,
    person: Person,
    image: FaceImage | None,
    *,
    message: str = "The face is enrolled.",
    before: str = ImportItem.State.PENDING,
) -> None:
    """Called in the transaction that stores the image. Overtaken if the state of the item is no
    longer `before`."""
    remove_after_commit([item.picture.name])
    _mark(
        item,
        before,
        state=ImportItem.State.ENROLLED,
        code="accepted",
        message=message,
        quality=image.quality if image else None,
        person=person,
        image=image,
        picture="",
    )


def mark_refused(
    context: JobContext,
    item: ImportItem,
    refused: PictureRefused,
    *,
    person: Person | None = None,
    picture: bytes = b"",
) -> None:
    """Write the refusal in its own transaction. Keep the picture if a user may overrule it."""
    with NewFiles() as files:
        if picture and refused.code in ImportItem.OVERRULED:
            item.picture_id = item.file_id(context.attempt)
            files.write(item.picture, picture)

        def mark() -> None:
            context.check()
            _mark(
                item,
                ImportItem.State.PENDING,
                state=ImportItem.State.REFUSED,
                code=refused.code[:64],
                message=refused.message[:500],
                quality=refused.quality.score if refused.quality else None,
                person=Person.objects.filter(pk=person.pk).first() if person else None,
                picture=item.picture.name or "",
            )

        in_transaction(mark)


def _mark(item: ImportItem, before: str, **values: object) -> None:
    rows = ImportItem.objects.filter(pk=item.pk, state=before)
    if rows.update(done_at=timezone.now(), **values) != 1:
        raise Overtaken


def _by_name(people: QuerySet[Person], name: str) -> Person | None:
    # MariaDB ignores case and accents when it compares names.
    exact = [person for person in people.filter(name=name)[:50] if person.name == name]
    if len(exact) > 1:
        # Without the name: messages stay after an erasure.
        message = "Several people of the collection have this name: give an external id."
        raise PictureRefused("ambiguous_name", message)
    return exact[0] if exact else None


def is_refusal(error: ServiceError) -> bool:
    """True if the error concerns only this photo or person, so that the import can go on."""
    return error.status < 500 and error.code not in {
        "not_found",
        "embedder_changed",
        "model_version_missing",
        "no_threshold",
    }
