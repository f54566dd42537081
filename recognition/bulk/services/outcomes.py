"""Whose photo an item of an import is, and what became of it: written once for each item."""

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
    """The item has its outcome already: its person was erased meanwhile, or another was quicker."""


def known_person(run: ImportRun, item: ImportItem, sha256: str = "") -> Person | None:
    """Whom the collection has for this item; None if the person is to be made.

    The person of an earlier photo of the same key; else by external id; else by the exact name, if
    no external id is given. sha256: of an exported face, which tells its person on its own.
    PictureRefused `ambiguous_name` if several people have the name.
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
    """The person, locked, and made if there is none; within the transaction that stores a photo of
    them, under the collection's lock."""
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
    """Within the transaction that stores the image. Overtaken if the item is not `before` any
    more."""
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
    """In a transaction of its own. The picture is kept if a person may overrule the refusal."""
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
    # MariaDB compares names without regard to case and accents.
    exact = [person for person in people.filter(name=name)[:50] if person.name == name]
    if len(exact) > 1:
        message = f"Several people of the collection have the name {name!r}: give an external id."
        raise PictureRefused("ambiguous_name", message)
    return exact[0] if exact else None


def is_refusal(error: ServiceError) -> bool:
    """Whether it is about this one photo or person, and the import goes on."""
    return error.status < 500 and error.code not in {
        "not_found",
        "embedder_changed",
        "model_version_missing",
        "no_threshold",
    }
