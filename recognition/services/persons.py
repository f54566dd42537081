"""People: added, changed, merged, and erased with everything about them."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError

from accounts.audit import Actor, record
from recognition.gallery import note_changes
from recognition.models import Collection, Event, FaceImage, IdempotencyRecord, Person, Template
from recognition.services.calibration import calibration_forget
from recognition.services.deciders import decider_forget
from recognition.services.files import remove_after_commit
from recognition.services.locks import lock_collection, lock_people, lock_person
from recognition.services.negatives import negatives_move
from recognition.services.publishing import MOST_TOLD, announce_newest
from recognition.web.errors import ServiceError, not_found
from recognition.web.transactions import in_transaction

# What the gallery knows of a person.
_IN_GALLERY = {"name", "external_id", "is_active"}
_BATCH = 500


def person_create(*, collection: Collection, actor: Actor, **values: Any) -> Person:
    def create() -> Person:
        person = Person.objects.create(collection_id=collection.pk, **values)
        record(actor, "person.create", person, collection_id=collection.pk)
        return person

    try:
        return in_transaction(create)
    except IntegrityError as error:
        if not Collection.objects.filter(pk=collection.pk).exists():
            raise not_found("collection") from error
        raise _external_id_taken() from error


def person_update(*, person: Person, actor: Actor, **changes: Any) -> Person:
    """The person with the changes; galleries follow where it matters to them."""

    def update() -> Person:
        collection = lock_collection(person.collection_id)
        row = lock_person(person.pk)
        for name, value in changes.items():
            setattr(row, name, value)
        row.save(update_fields=[*changes, "updated_at"])
        if _IN_GALLERY & set(changes):
            note_changes(collection, _template_ids(row))
        if not row.is_active:
            decider_forget(collection.pk, [row.pk])
        record(actor, "person.update", row, collection_id=collection.pk, changed=sorted(changes))
        return row

    try:
        return in_transaction(update)
    except IntegrityError as error:
        raise _external_id_taken() from error


def person_erase(*, person: Person, actor: Actor) -> dict[str, int]:
    """Rows, files, templates, index rows, and the faces of their events; how much of each.

    Their events stay as events of nobody: times, camera and decision, without picture and vector.
    Visits of others to the same stream at the same time lose their snapshot, a whole frame.
    `not_found` where somebody else was quicker.
    """

    def erase() -> dict[str, int]:
        collection = lock_collection(person.collection_id)
        row = lock_person(person.pk)
        images = list(row.images.values_list("file", "original"))
        templates = _template_ids(row)
        events = Event.objects.filter(person=row)
        newest = _newest_events(row)
        shared = _take_shared_snapshots(row)
        pictures = list(events.values_list("snapshot", "face"))
        emptied = events.update(
            person=None, image=None, snapshot="", face="", vector=None, quality=0.0
        )
        replies = IdempotencyRecord.objects.filter(person=row).delete()[0]
        record(actor, "person.erase", row, collection_id=collection.pk, images=len(images),
               templates=len(templates), events=emptied)  # fmt: skip
        decider_forget(collection.pk, [row.pk])
        calibration_forget(collection.pk, row.pk)
        row.delete()
        note_changes(collection, templates)
        announce_newest(newest)
        files = remove_after_commit(
            name for names in (*images, *pictures, shared) for name in names
        )
        return {
            "images": len(images),
            "templates": len(templates),
            "events": emptied,
            "replies": replies,
            "files": files,
        }

    return in_transaction(erase)


def person_merge(*, into: Person, person: Person, actor: Actor) -> Person:
    """Images, templates and events of `person` go to `into`; then `person` is deleted. A picture
    that both have is kept once. Name and data of `into` stay as they are."""
    if into.pk == person.pk:
        message = "A person cannot be merged with themselves."
        raise ServiceError("same_person", message, status=409)
    if into.collection_id != person.collection_id:
        message = "They belong to different collections."
        raise ServiceError("different_collections", message, status=409)

    def merge() -> Person:
        collection = lock_collection(into.collection_id)
        target, other = lock_people([into.pk, person.pk])
        templates = _template_ids(other)
        mine = list(target.images.values_list("sha256", flat=True))
        doubles = FaceImage.objects.filter(person=other, sha256__in=mine)
        dropped = remove_after_commit(
            name for names in doubles.values_list("file", "original") for name in names
        )
        doubles.delete()
        moved = other.images.update(person=target)
        newest = _newest_events(other)
        events = other.events.update(person=target)
        record(actor, "person.merge", target, collection_id=collection.pk, merged=str(other.pk),
               images=moved, events=events, dropped_files=dropped)  # fmt: skip
        negatives_move(collection, other, target)
        decider_forget(collection.pk, [other.pk])
        calibration_forget(collection.pk, other.pk)
        other.delete()
        note_changes(collection, templates)
        announce_newest(newest)
        return target

    return in_transaction(merge)


def _newest_events(person: Person) -> list[UUID]:
    """What pages may be showing."""
    newest = person.events.order_by("-started_at").values_list("pk", flat=True)
    return list(newest[:MOST_TOLD])


def _take_shared_snapshots(person: Person) -> list[str]:
    """Empty the snapshots of others on which the person may be seen; the names of their files."""
    there = _times_in_streams(person)
    others = Event.objects.filter(collection=person.collection_id, session__in=there)
    rows = others.exclude(person=person).exclude(snapshot="").order_by()
    # Compared here: a join by overlapping times takes minutes where there are many events.
    names = {
        pk: name
        for pk, name, session, begun, ended in rows.values_list(
            "pk", "snapshot", "session", "started_at", "ended_at"
        )
        if there[session].meets(begun, ended)
    }
    pks = list(names)
    for start in range(0, len(pks), _BATCH):
        Event.objects.filter(pk__in=pks[start : start + _BATCH]).update(snapshot="")
    return list(names.values())


@dataclass(slots=True)
class _Times:
    """When somebody was there, in order of their coming. last_ends: the latest end so far."""

    starts: list[datetime] = field(default_factory=list)
    last_ends: list[datetime] = field(default_factory=list)

    def add(self, begun: datetime, ended: datetime) -> None:
        self.starts.append(begun)
        self.last_ends.append(max([ended, *self.last_ends[-1:]]))

    def meets(self, begun: datetime, ended: datetime) -> bool:
        come = bisect_right(self.starts, ended)
        return come > 0 and self.last_ends[come - 1] >= begun


def _times_in_streams(person: Person) -> dict[str, _Times]:
    times: dict[str, _Times] = defaultdict(_Times)
    visits = Event.objects.filter(person=person).exclude(session="").order_by("started_at")
    for session, begun, ended in visits.values_list("session", "started_at", "ended_at"):
        times[session].add(begun, ended)
    return times


def _template_ids(person: Person) -> list[int]:
    return list(Template.objects.filter(image__person=person).values_list("pk", flat=True))


def _external_id_taken() -> ServiceError:
    message = "Another person of the collection has this external id."
    return ServiceError("external_id_taken", message, status=409)
