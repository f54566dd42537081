"""Several threads change the same people. In the end rows, files, templates and indexes agree.

Nothing here is timed; what varies from run to run is who comes first, and every order must do.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import pytest
from django.db import connections
from django.utils import timezone

from recognition.cameras.services.streams import stream_begin
from recognition.events.models import Event
from recognition.events.services.events import event_open, event_update
from recognition.people.index import Gallery, gallery_of
from recognition.people.models import Collection, FaceImage, GalleryChange, Person, Template
from recognition.people.services.enrolment import image_delete, images_enrol
from recognition.people.services.persons import (
    person_create,
    person_erase,
    person_merge,
    person_update,
)
from recognition.web.errors import ServiceError
from recognition.web.identifiers import uuid7
from recognition.web.uploads import Upload
from tests.factories import ACTOR, make_person, seen
from tests.fakes import FakeEngine, photo
from tests.recognition.storage import assert_consistent, stored_files

pytestmark = pytest.mark.django_db(transaction=True)


def _at_once(*jobs: Callable[[], None]) -> None:
    """Run each in its own thread, started together. Raises the first error of any thread."""
    errors: list[BaseException] = []
    start = threading.Barrier(len(jobs))

    def run(job: Callable[[], None]) -> None:
        try:
            start.wait()
            job()
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def _enrol(person: Person, number: int, looks: int) -> bool:
    """False if the person is gone."""
    upload = Upload("", photo(number, looks=looks))
    try:
        images_enrol(person=person, uploads=[upload], source="api", actor=ACTOR)
    except ServiceError as error:
        assert error.code == "not_found"
        return False
    return True


def test_concurrent_enrolling_and_erasing_leaves_no_template(
    engine: FakeEngine, person: Person, collection: Collection
) -> None:
    here, elsewhere = gallery_of(collection), Gallery(collection)
    assert here.size == elsewhere.size == (0, 0)
    enrolled = threading.Event()
    refused: list[int] = []

    def enrol(offset: int) -> None:
        for looks in range(offset, 12, 4):
            if not _enrol(person, 1, looks):
                refused.append(looks)
            enrolled.set()

    def erase() -> None:
        enrolled.wait()
        person_erase(person=person, actor=ACTOR)

    _at_once(*(lambda offset=offset: enrol(offset) for offset in range(4)), erase)

    assert not Person.objects.exists()
    assert not FaceImage.objects.exists()
    assert not Template.objects.exists()
    assert not stored_files()
    assert_consistent(collection, here, elsewhere)
    assert here.size == elsewhere.size == (0, 0)
    assert not _enrol(person, 1, 0)


def test_picture_sent_at_the_same_time_is_stored_once(
    engine: FakeEngine, person: Person, collection: Collection
) -> None:
    def enrol() -> None:
        _enrol(person, 1, 0)

    _at_once(enrol, enrol, enrol, enrol)
    assert person.images.count() == 1
    assert_consistent(collection, gallery_of(collection))


def test_concurrent_enrolling_loses_no_template(engine: FakeEngine, collection: Collection) -> None:
    """All of them raise the same revision, and none is lost."""
    people = [make_person(collection) for _ in range(6)]
    elsewhere = Gallery(collection)
    assert elsewhere.size == (0, 0)

    def enrol(number: int) -> None:
        for looks in range(4):
            assert _enrol(people[number], number, looks)

    _at_once(*(lambda number=number: enrol(number) for number in range(6)))

    assert Template.objects.count() == 24
    collection.refresh_from_db()
    assert collection.gallery_revision == 24
    assert GalleryChange.objects.values("revision").distinct().count() == 24
    assert_consistent(collection, gallery_of(collection), elsewhere)


def test_gallery_is_right_after_random_concurrent_changes(
    engine: FakeEngine, collection: Collection
) -> None:
    people = [make_person(collection, name=f"P{number}") for number in range(6)]
    elsewhere = Gallery(collection)
    assert elsewhere.size == (0, 0)

    def act(seed: int) -> None:
        dice = random.Random(seed)
        for turn in range(10):
            kind = dice.choice(["enrol"] * 5 + ["drop", "merge", "erase", "rename", "visit", "new"])
            try:
                _do(kind, people, turn, dice)
            except ServiceError as error:
                assert error.code in ("not_found", "same_person")

    _at_once(*(lambda seed=seed: act(seed) for seed in range(6)))

    assert_consistent(collection, gallery_of(collection), elsewhere)


def _do(kind: str, people: list[Person], turn: int, dice: random.Random) -> None:
    """One change of one of the people, each of whom has a different face."""
    number = dice.randrange(len(people))
    person = people[number]
    collection = person.collection
    if kind == "enrol":
        _enrol(person, number, turn)
    elif kind == "drop":
        image = FaceImage.objects.filter(person=person).first()
        if image is not None:
            image_delete(image=image, actor=ACTOR)
    elif kind == "merge":
        person_merge(into=person, person=dice.choice(people), actor=ACTOR)
    elif kind == "erase":
        person_erase(person=person, actor=ACTOR)
    elif kind == "rename":
        person_update(person=person, actor=ACTOR, name=f"{person.name}, turn {turn}")
    elif kind == "visit":
        _visit(collection, person, number)
    else:
        people[number] = person_create(collection=collection, actor=ACTOR, name=f"N{turn}")


def _visit(collection: Collection, person: Person, number: int) -> None:
    """A person arrives, is seen in better quality, and leaves."""
    look = seen(person, number=number, quality=0.5)
    stream = stream_begin(stream_id=uuid7(), collection=collection, camera=None)
    event = event_open(stream=stream, model=collection.embedder, seen=look, started_at=look.at)
    better = seen(person, number=number, quality=0.8)
    event_update(event=event, stream=stream, seen=better, ended_at=timezone.now(), is_open=False)


def test_visits_during_an_erasure_leave_no_picture(
    engine: FakeEngine, person: Person, collection: Collection
) -> None:
    """No picture of the person comes back, whichever thread is first."""
    visited = threading.Event()

    def visit() -> None:
        for _ in range(5):
            _visit(collection, person, 1)
            visited.set()

    def erase() -> None:
        visited.wait()
        person_erase(person=person, actor=ACTOR)

    _at_once(visit, visit, erase)

    assert Event.objects.count() == 10
    assert not Event.objects.filter(person__isnull=False).exists()
    assert not stored_files()
    assert not Event.objects.filter(vector__isnull=False).exists()
    assert_consistent(collection)
