"""People who are erased while an import waits, is planned or runs: which photos are theirs.

Both ways to ask find people as `known_person` does: by a query once each photo has its item, and
before that by hashes, which are kept until the import is over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.db.models import Q, QuerySet
from django.utils.crypto import salted_hmac

from recognition.bulk.archives.blanking import photos_blank
from recognition.bulk.archives.collection import PERSON_KEY
from recognition.bulk.archives.photos import FOLDER_KEY
from recognition.bulk.archives.planned import PlannedPhoto, refused
from recognition.bulk.models import ImportItem, ImportRun
from recognition.people.models import Person

# Of a hash: chance meetings are excluded, and many erasures fit into a row.
_DIGITS = 16
_HAS_NO_ID = ~Q(who__has_key="external_id")
_EMPTIED = refused("", "person_erased", "The person was erased before the import began.")


def pending_of(run: ImportRun, person: Person) -> QuerySet[ImportItem]:
    """The photos that the import would enrol for the person."""
    theirs = run.items.filter(Q(person=person) | shows(person))
    same = Q(person_key__in=theirs.values("person_key"))
    same |= Q(person_key=f"{PERSON_KEY}{person.pk}")
    if person.external_id:
        same |= Q(who__external_id=person.external_id)
        same |= Q(person_key=f"{FOLDER_KEY}{person.external_id}")
    same |= Q(who__name=person.name, sha256="") & _HAS_NO_ID
    others = run.items.exclude(person=None).exclude(person=person).values("person_key")
    pending = run.items.filter(state=ImportItem.State.PENDING)
    return pending.filter(same).exclude(person_key__in=others)


def shows(person: Person) -> Q:
    """Items of an export that have a face of the person."""
    return Q(sha256__in=_faces(person)) & _HAS_NO_ID


def erased_add(run: ImportRun, person: Person) -> None:
    """Note that the person was erased before the import is planned. run: locked."""
    told = [f"{PERSON_KEY}{person.pk}", f"name:{person.name}"]
    told += [f"face:{sha256}" for sha256 in _faces(person)]
    if person.external_id:
        told.append(f"id:{person.external_id}")
    run.erased = sorted({*run.erased, *(_hash(run, value) for value in told)})
    run.save(update_fields=["erased"])


def erased_refuse(run: ImportRun, photos: Sequence[PlannedPhoto]) -> list[PlannedPhoto]:
    """The plan, in which photos of erased people are refused, without path and values. They are
    overwritten in the archive. run: locked. ServiceError `archive_lost`."""
    erased = set(run.erased)
    if not erased:
        return list(photos)
    theirs = [photo for photo in photos if not erased.isdisjoint(_hashes(run, photo))]
    if run.archive is not None:
        photos_blank(run.archive, [place for photo in theirs for place in photo.places])
    gone = {id(photo) for photo in theirs}
    return [_EMPTIED if id(photo) in gone else photo for photo in photos]


def _hashes(run: ImportRun, photo: PlannedPhoto) -> set[str]:
    return {_hash(run, value) for value in _told(photo)}


def _told(photo: PlannedPhoto) -> Iterator[str]:
    """What the archive tells about the person of the photo."""
    if external_id := photo.who.get("external_id"):
        yield f"id:{external_id}"
    if photo.person_key.startswith(PERSON_KEY):
        yield photo.person_key
    if photo.person_key.startswith(FOLDER_KEY):
        yield f"id:{photo.person_key.removeprefix(FOLDER_KEY)}"
    if photo.who and not external_id:
        yield from (f"face:{sha256}" for sha256 in photo.faces)
        if not photo.faces:
            yield f"name:{photo.who['name']}"


def _faces(person: Person) -> list[str]:
    return list(person.images.values_list("sha256", flat=True))


def _hash(run: ImportRun, value: str) -> str:
    return salted_hmac(str(run.pk), value, algorithm="sha256").hexdigest()[:_DIGITS]
