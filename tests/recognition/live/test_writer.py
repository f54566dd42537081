"""Visits are written with their newest state and tried again; the queue is bounded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from ml_engine.matching import Decision
from recognition.events.models import Event
from recognition.events.services.events import VisitSeen
from recognition.live import writer as module
from recognition.live.visits import Visit
from recognition.live.writer import VisitSource, VisitWriter
from recognition.people.models import Collection
from recognition.web.errors import ServiceError
from tests.factories import make_person, own_stream, seen
from tests.fakes import embedding_of, photo
from tests.recognition.live.streams import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(module, "_LONGEST_PAUSE_S", 0.02)


@pytest.fixture
def writer() -> Iterator[VisitWriter]:
    made = VisitWriter()
    yield made
    made.stop(5)


@pytest.fixture
def told() -> list[tuple[str, str]]:
    """Kinds and ids of what was told."""
    return []


@pytest.fixture
def source(collection: Collection, told: list[tuple[str, str]]) -> VisitSource:
    return VisitSource(
        stream=own_stream(collection),
        model=collection.embedder,
        tell=lambda payload, kind: told.append((kind, payload["id"])),
    )


def _visit() -> Visit:
    now = timezone.now()
    return Visit(Decision("unknown", 0.4), embedding_of(1), now, now, 0.0)


def _submit(
    writer: VisitWriter,
    source: VisitSource,
    visit: Visit,
    *,
    is_open: bool = True,
    ended_at: datetime | None = None,
    **values: Any,
) -> None:
    look: VisitSeen = seen(**values)
    writer.submit(source, visit, look, ended_at=ended_at or look.at, is_open=is_open)


class _Away:
    """A database that does not answer until it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tries = 0
        self.is_away = True
        self._store = module._store
        monkeypatch.setattr(module, "_store", self)

    def __call__(self, entry: Any) -> None:
        self.tries += 1
        if self.is_away:
            raise OperationalError("gone away")
        self._store(entry)


def test_a_visit_is_opened_updated_and_closed(
    writer: VisitWriter, source: VisitSource, told: list[tuple[str, str]]
) -> None:
    visit = _visit()
    for is_open in (True, True, False):
        _submit(writer, source, visit, is_open=is_open)
        assert writer.flush(5)
    event = Event.objects.get()
    assert not event.is_open
    assert [kind for kind, _ in told] == ["opened", "updated", "closed"]
    assert {event_id for _, event_id in told} == {str(event.pk)}


def test_only_the_newest_state_waits(
    writer: VisitWriter, source: VisitSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = _Away(monkeypatch)
    visit = _visit()
    _submit(writer, source, visit, number=3)
    until(lambda: away.tries > 1)
    for _ in range(50):
        _submit(writer, source, visit, snapshot_jpeg=None, face_jpeg=None, vector=None)
    assert len(writer._waiting) <= 1
    _submit(writer, source, visit, is_open=False, snapshot_jpeg=None, face_jpeg=None, vector=None)
    away.is_away = False
    assert writer.flush(5)
    event = Event.objects.get()
    assert not event.is_open
    # The pictures given first were kept for it.
    assert event.face.read() == photo(3)
    assert event.vector is not None


def test_name_taken_back_while_visits_wait_is_taken_back(
    writer: VisitWriter, source: VisitSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit, person = _visit(), make_person(source.stream.collection)
    _submit(writer, source, visit, person=person)
    assert writer.flush(5)
    away = _Away(monkeypatch)
    _submit(writer, source, visit, is_revised=True)
    until(lambda: away.tries > 1)
    _submit(writer, source, visit)
    away.is_away = False
    assert writer.flush(10)
    assert Event.objects.get().decision == "unknown"


def test_waiting_visits_are_limited_in_number(
    writer: VisitWriter, source: VisitSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 5)
    away = _Away(monkeypatch)
    visits = [_visit() for _ in range(12)]
    for visit in visits:
        _submit(writer, source, visit)
    assert len(writer._waiting) <= 5
    away.is_away = False
    assert writer.flush(5)
    assert 5 <= Event.objects.count() <= 6


def test_a_visit_that_cannot_be_written_does_not_stop_the_others(
    writer: VisitWriter, source: VisitSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = _visit()
    store = module._store

    def fails_for_one(entry: Any) -> None:
        if entry.visit is bad:
            raise ValueError("cannot be written")
        store(entry)

    monkeypatch.setattr(module, "_store", fails_for_one)
    _submit(writer, source, bad)
    _submit(writer, source, _visit())
    assert writer.flush(5)
    assert Event.objects.count() == 1


def test_a_deleted_collection_is_no_failure(writer: VisitWriter, source: VisitSource) -> None:
    visit = _visit()
    _submit(writer, source, visit)
    assert writer.flush(5)
    Collection.objects.all().delete()
    _submit(writer, source, visit, is_open=False)
    assert writer.flush(5)
    assert not Event.objects.exists()


def test_stopping_the_writer_writes_waiting_visits(
    writer: VisitWriter, source: VisitSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    _submit(writer, source, _visit())
    assert writer.stop(5)
    assert Event.objects.count() == 1
    # The writer can be used again.
    _submit(writer, source, _visit())
    assert writer.flush(5)
    assert Event.objects.count() == 2


def test_stopping_does_not_wait_for_ever(
    writer: VisitWriter, source: VisitSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = _Away(monkeypatch)
    _submit(writer, source, _visit())
    assert not writer.stop(0.1)
    away.is_away = False


def test_better_pictures_take_the_place_of_the_first(
    writer: VisitWriter, source: VisitSource
) -> None:
    visit = _visit()
    _submit(writer, source, visit, number=3, quality=0.5)
    assert writer.flush(5)
    _submit(writer, source, visit, number=4, quality=0.9)
    assert writer.flush(5)
    event = Event.objects.get()
    assert event.face.read() == photo(4)
    assert event.quality == 0.9


def test_later_update_of_a_visit_keeps_its_pictures(
    writer: VisitWriter, source: VisitSource
) -> None:
    older = seen(number=3, quality=0.5)
    newer = replace(older, snapshot_jpeg=None, face_jpeg=None, vector=None, similarity=0.3)
    merged = module._with_pictures_of(newer, older)
    assert (merged.face_jpeg, merged.similarity) == (older.face_jpeg, 0.3)


def test_pictures_keep_the_time_when_they_were_taken(
    writer: VisitWriter, source: VisitSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Handed on with a newer state of the visit, they are still from before an erasure."""
    monkeypatch.setattr(writer, "_wake", lambda: None)
    visit, now = _visit(), timezone.now()
    _submit(writer, source, visit, pictures_at=now)
    later = now + timedelta(seconds=9)
    _submit(writer, source, visit, at=later, snapshot_jpeg=None, face_jpeg=None)
    (entry,) = writer._waiting.values()
    assert (entry.seen.at, entry.seen.pictures_at) == (later, now)
    writer._waiting.clear()


def test_visits_wait_while_there_is_no_room(
    writer: VisitWriter, source: VisitSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, full = module._store, [True, True]

    def without_room(entry: Any) -> None:
        if full:
            full.pop()
            raise ServiceError("storage_full", "There is no room.", status=507)
        store(entry)

    monkeypatch.setattr(module, "_store", without_room)
    _submit(writer, source, _visit())
    assert writer.flush(10)
    assert Event.objects.get().snapshot
