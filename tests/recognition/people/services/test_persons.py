"""People: unique ids, changes that the gallery follows, merge, and erasure that leaves nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.apps import apps
from django.core.files.storage import default_storage
from django.db import connection

from accounts.models import AuditEntry
from recognition.cameras.services.streams import stream_begin
from recognition.events.models import Event
from recognition.events.services.orphans import sweep_orphans
from recognition.people.index import Gallery, gallery_of
from recognition.people.models import Collection, FaceImage, Person, Template
from recognition.people.services.enrolment import images_enrol
from recognition.people.services.persons import (
    person_create,
    person_erase,
    person_merge,
    person_update,
)
from recognition.web.errors import ServiceError
from recognition.web.identifiers import uuid7
from recognition.web.models import IdempotencyRecord
from recognition.web.uploads import Upload
from tests.factories import ACTOR, enrol, make_collection, make_event, make_person
from tests.fakes import FakeEngine, embedding_of, photo
from tests.recognition.storage import assert_consistent, stored_files

pytestmark = pytest.mark.django_db


def _rows_that_hold(*needles: str) -> list[str]:
    """Tables with a row that has one of the texts in any column; ids with or without dashes."""
    wanted = {form for needle in needles for form in (needle, needle.replace("-", ""))}
    found = []
    for model in apps.get_models(include_auto_created=True):
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(model._meta.db_table)}")
            text = "\n".join(str(row) for row in cursor.fetchall())
        found += [model._meta.db_table for needle in wanted if needle in text]
    return found


def test_external_id_of_another_person_is_refused(collection: Collection) -> None:
    person_create(collection=collection, actor=ACTOR, name="Ann", external_id="7")
    with pytest.raises(ServiceError) as taken:
        person_create(collection=collection, actor=ACTOR, name="Bea", external_id="7")
    assert (taken.value.code, taken.value.status) == ("external_id_taken", 409)
    elsewhere = make_collection()
    assert person_create(collection=elsewhere, actor=ACTOR, name="Bea", external_id="7").pk
    for _ in range(2):
        person_create(collection=collection, actor=ACTOR, name="Bea", external_id=None)


@pytest.mark.parametrize("other", ["ÄB", "ab", "AB"])
def test_external_ids_are_compared_byte_for_byte(collection: Collection, other: str) -> None:
    """MariaDB's usual collations treat these as equal."""
    person_create(collection=collection, actor=ACTOR, name="Ann", external_id="äb")
    assert person_create(collection=collection, actor=ACTOR, name="Bea", external_id=other).pk


def test_changing_to_an_external_id_that_is_taken_is_refused(collection: Collection) -> None:
    person_create(collection=collection, actor=ACTOR, name="Ann", external_id="7")
    person = person_create(collection=collection, actor=ACTOR, name="Bea")
    with pytest.raises(ServiceError, match="external id"):
        person_update(person=person, actor=ACTOR, external_id="7")


@pytest.mark.django_db(transaction=True)
def test_person_is_not_added_to_a_deleted_collection(collection: Collection) -> None:
    Collection.objects.all().delete()
    with pytest.raises(ServiceError) as refused:
        person_create(collection=collection, actor=ACTOR, name="Ann")
    assert refused.value.code == "not_found"


def test_a_new_name_shows_in_every_gallery(engine: FakeEngine, person: Person) -> None:
    enrol(person, 1)
    here, elsewhere = gallery_of(person.collection), Gallery(person.collection)
    assert here.name_of(person.pk) == elsewhere.name_of(person.pk) == "Ann Example"
    changed = person_update(person=person, actor=ACTOR, name="Ann New", external_id="n")
    assert (changed.name, changed.external_id) == ("Ann New", "n")
    assert here.name_of(person.pk) == "Ann New"
    elsewhere.follow(now=True)
    assert elsewhere.name_of(person.pk) == "Ann New"
    assert elsewhere.external_id_of(person.pk) == "n"


def test_people_who_are_not_active_are_not_found(engine: FakeEngine, person: Person) -> None:
    enrol(person, 1)
    gallery = gallery_of(person.collection)
    person_update(person=person, actor=ACTOR, is_active=False)
    assert gallery.size == (0, 0)
    assert gallery.search(embedding_of(1)) == [[]]
    person_update(person=person, actor=ACTOR, is_active=True)
    assert gallery.search(embedding_of(1))[0][0].person == person.pk


def test_person_update_keeps_fields_changed_elsewhere(person: Person) -> None:
    """A form changes its own copy before it asks the service."""
    stale = Person.objects.get(pk=person.pk)
    stale.name = "Not to be saved"
    person_update(person=stale, actor=ACTOR, labels=["vip"])
    person.refresh_from_db()
    assert (person.name, person.labels) == ("Ann Example", ["vip"])


def test_merging_moves_images_templates_and_events(
    engine: FakeEngine, person: Person, collection: Collection
) -> None:
    other = make_person(collection, name="Ann again")
    enrol(person, 1)
    collection.match_threshold = 2.0  # the same face twice, on purpose
    collection.save()
    uploads = [Upload("", photo(1)), Upload("", photo(1, looks=1))]
    assert all(
        outcome.accepted
        for outcome in images_enrol(person=other, uploads=uploads, source="api", actor=ACTOR)
    )
    event = make_event(person=other)
    elsewhere = Gallery(collection)
    assert elsewhere.size == (2, 3)

    merged = person_merge(into=person, person=other, actor=ACTOR)

    assert merged == person
    assert not Person.objects.filter(pk=other.pk).exists()
    assert person.images.count() == 2, "the picture that both had is kept once"
    event.refresh_from_db()
    assert event.person == person
    assert_consistent(collection, gallery_of(collection), elsewhere)
    assert AuditEntry.objects.get(action="person.merge").details["merged"] == str(other.pk)


def test_a_person_is_not_merged_with_themselves_or_across_collections(person: Person) -> None:
    with pytest.raises(ServiceError, match="themselves"):
        person_merge(into=person, person=person, actor=ACTOR)
    with pytest.raises(ServiceError, match="collections"):
        person_merge(into=person, person=make_person(), actor=ACTOR)
    assert Person.objects.count() == 2


def test_erasing_a_person_leaves_no_trace(engine: FakeEngine, collection: Collection) -> None:
    collection.keeps_originals = True
    collection.save()
    name = "Zoltan Unusual"
    person = make_person(collection, name=name, external_id="zolt-ext", metadata={"of": name})
    bystander = make_person(collection)
    enrol(bystander, 9)
    images = enrol(person, 1, 1, 1)
    make_event(person=person, number=1)
    unknown = make_event(collection, number=4)
    IdempotencyRecord.objects.create(
        caller="key:1",
        key="k",
        fingerprint="f",
        status=201,
        body={"name": name},
        person_id=person.pk,
    )
    person_update(person=person, actor=ACTOR, name=name + " II")
    elsewhere = Gallery(collection)
    here = gallery_of(collection)
    assert here.size == elsewhere.size == (2, 4)
    vectors = [
        bytes(v)
        for v in Template.objects.filter(image__person=person).values_list("vector", flat=True)
    ]

    Event.objects.update(is_open=False)
    told = person_erase(person=person, actor=ACTOR)

    assert told == {
        "images": 3,
        "templates": 3,
        "events": 1,
        "clips": 0,
        "negatives": 0,
        "lookalikes": 0,
        "import_items": 0,
        "exports": 0,
        "recordings": 0,
        "trained_models": 0,
        "replies": 1,
        "files": 8,
    }
    ids = [str(person.pk), *(str(image.pk) for image in images)]
    by_id_alone = {"accounts_auditentry", "notices_notice"}
    assert set(_rows_that_hold(*ids)) == by_id_alone
    assert not _rows_that_hold("oltan", "zolt-ext")
    kept = {bytes(v) for v in Template.objects.values_list("vector", flat=True)}
    kept |= {bytes(v) for v in Event.objects.values_list("vector", flat=True) if v}
    assert kept.isdisjoint(vectors)
    assert len(kept) == 2
    files = stored_files()
    assert len(files) == 4, "two of the bystander's image, two of the unknown visit"
    assert not [file for file in files for pk in ids if pk in file]
    assert unknown.face.name in files
    assert here._contents.member(person.pk) is None  # type: ignore[union-attr]
    assert_consistent(collection, here, elsewhere)
    assert here.search(embedding_of(1))[0][0].person == bystander.pk


def test_events_of_an_erased_person_stay_without_a_face(engine: FakeEngine, person: Person) -> None:
    (image,) = enrol(person, 1)
    template = image.templates.get()
    event = make_event(person=person, template_id=template.pk)
    assert event.image == image
    person_erase(person=person, actor=ACTOR)
    event.refresh_from_db()
    assert (event.person, event.image, event.vector) == (None, None, None)
    assert not event.face
    assert not event.snapshot
    assert event.decision == "match"


def test_erasing_takes_the_frames_of_others_who_were_there_at_the_same_time(
    person: Person, collection: Collection
) -> None:
    """A snapshot is the whole frame and shows everybody in it."""
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    other = make_person(collection)

    streams: dict[str, UUID | None] = {"": None}
    for name in ("door", "gate"):
        streams[name] = stream_begin(stream_id=uuid7(), collection=collection, camera=None).id

    def visit(seconds: int, person: Person | None = other, stream: str = "door") -> Event:
        begun = noon + timedelta(seconds=seconds)
        event = make_event(collection, person, started_at=begun, at=begun + timedelta(seconds=10))
        Event.objects.filter(pk=event.pk).update(stream=streams[stream], is_open=False)
        return event

    visit(-30, person)
    visit(0, person)
    beside, stranger = visit(5), visit(-9, None)
    apart = [visit(11), visit(-11), visit(5, stream="gate"), visit(5, stream="")]
    person_erase(person=person, actor=ACTOR)
    for event in (beside, stranger, *apart):
        event.refresh_from_db()
    assert not beside.snapshot
    assert not stranger.snapshot
    assert all(event.snapshot for event in apart)
    files = stored_files()
    assert len(files) == 2 + 2 * len(apart), "a face of each, and the frames that show others alone"
    assert beside.face.name in files


def test_second_erasure_is_answered_not_found(person: Person) -> None:
    person_erase(person=person, actor=ACTOR)
    with pytest.raises(ServiceError) as refused:
        person_erase(person=person, actor=ACTOR)
    assert refused.value.status == 404
    assert AuditEntry.objects.filter(action="person.erase").count() == 1


def test_a_failed_erasure_keeps_everything(
    engine: FakeEngine, person: Person, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrol(person, 1)

    def fail(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("the database is out of room")

    monkeypatch.setattr("recognition.people.services.person_images.note_changes", fail)
    with pytest.raises(RuntimeError):
        person_erase(person=person, actor=ACTOR)
    assert FaceImage.objects.count() == 1
    assert_consistent(collection, gallery_of(collection))


def test_erase_with_unremovable_file_is_done_and_told(
    engine: FakeEngine, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrol(person, 1)
    event = make_event(person=person)
    here = gallery_of(person.collection)
    assert here.size == (1, 1)
    stuck = event.face.name
    remove = default_storage.delete

    def delete(name: str) -> None:
        if name == stuck:
            raise PermissionError("a read-only folder")
        remove(name)

    monkeypatch.setattr(default_storage, "delete", delete)
    person_erase(person=person, actor=ACTOR)
    assert here.size == (0, 0), "steps after the removal of files ran"
    assert set(stored_files()) == {stuck}, "the other files are gone"
    monkeypatch.undo()
    assert sweep_orphans(grace_s=-60) == 1, "upkeep removes what was left"


def test_the_audit_log_names_fields_and_no_values(person: Person) -> None:
    person_update(person=person, actor=ACTOR, name="Hidden Name", metadata={"a": "hidden value"})
    entry = AuditEntry.objects.get(action="person.update")
    assert entry.details == {"changed": ["metadata", "name"]}
    assert "idden" not in json.dumps(entry.details)
