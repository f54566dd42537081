"""Erase or merge the events of a person.

Each function runs in the transaction that has locked the collection and the people.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from recognition.events.models import Event, EventVector
from recognition.events.services.clips import clips_delete
from recognition.events.services.publishing import MOST_TOLD, announce_changed
from recognition.people.models import Collection, Person
from recognition.people.traces import Traced

_BATCH = 500


def events_forget(collection: Collection, person: Person) -> Traced:
    """Remove person, pictures, clip and vector from the person's events. Events of other people in
    the same stream at the same time lose their snapshot and clip, which are of whole frames and may
    show the person."""
    events = Event.objects.filter(person=person)
    newest = _newest_events(person)
    shared = _take_shared_snapshots(person)
    pictures = [name for names in events.values_list("snapshot", "face") for name in names]
    EventVector.objects.filter(event__person=person).delete()
    clips = [*clips_delete(events), *_take_shared_clips(person)]
    emptied = events.update(
        person=None, image=None, snapshot="", box=[], face="", vector=None, quality=0.0
    )
    announce_changed(collection.pk, newest)
    return Traced({"events": emptied, "clips": len(clips)}, (*pictures, *shared, *clips))


def events_move(collection: Collection, source: Person, target: Person) -> Traced:
    newest = _newest_events(source)
    moved = Event.objects.filter(person=source).update(person=target)
    announce_changed(collection.pk, newest)
    return Traced({"events": moved})


def _newest_events(person: Person) -> list[UUID]:
    """The person's newest events, which open pages may show."""
    newest = person.events.order_by("-started_at").values_list("pk", flat=True)
    return list(newest[:MOST_TOLD])


def _take_shared_snapshots(person: Person) -> list[str]:
    """Remove snapshots of other people's events that may show the person; returns the names of
    their files."""
    there = _times_in_streams(person)
    others = Event.objects.filter(collection=person.collection_id, stream__in=there)
    rows = others.exclude(person=person).exclude(snapshot="").order_by()
    # Compare times in Python: a join by overlapping times takes minutes if there are many events.
    names = {
        pk: name
        for pk, name, stream, begun, ended in rows.values_list(
            "pk", "snapshot", "stream", "started_at", "ended_at"
        )
        if there[stream].meets(begun, ended)
    }
    pks = list(names)
    for start in range(0, len(pks), _BATCH):
        Event.objects.filter(pk__in=pks[start : start + _BATCH]).update(snapshot="")
    return list(names.values())


def _take_shared_clips(person: Person) -> list[str]:
    """Delete clips of other people's events that may show the person; returns the names of their
    files."""
    there = _times_in_streams(person)
    others = Event.objects.filter(collection=person.collection_id, stream__in=there)
    rows = others.exclude(person=person).exclude(clip=None).order_by()
    pks = [
        pk
        for pk, stream, begins, ends in rows.values_list(
            "pk", "stream", "clip__begins_at", "clip__ends_at"
        )
        if there[stream].meets(begins, ends)
    ]
    parts = [pks[start : start + _BATCH] for start in range(0, len(pks), _BATCH)]
    return [name for part in parts for name in clips_delete(Event.objects.filter(pk__in=part))]


@dataclass(slots=True)
class _Times:
    """The visits of a person to one stream, sorted by start. last_ends: the latest end of all
    visits up to each one."""

    starts: list[datetime] = field(default_factory=list)
    last_ends: list[datetime] = field(default_factory=list)

    def add(self, begun: datetime, ended: datetime) -> None:
        self.starts.append(begun)
        self.last_ends.append(max([ended, *self.last_ends[-1:]]))

    def meets(self, begun: datetime, ended: datetime) -> bool:
        come = bisect_right(self.starts, ended)
        return come > 0 and self.last_ends[come - 1] >= begun


def _times_in_streams(person: Person) -> dict[UUID, _Times]:
    times: dict[UUID, _Times] = defaultdict(_Times)
    visits = Event.objects.filter(person=person).exclude(stream=None).order_by("started_at")
    rows = visits.values_list("stream", "started_at", "ended_at", "is_open")
    now = timezone.now()
    for stream, begun, ended, is_open in rows:
        # The stored end of an open visit is some seconds old.
        times[stream].add(begun, max(ended, now) if is_open else ended)
    return times
