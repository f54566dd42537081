"""Snapshots of galleries: what they answer, when they are refused, and how erasures follow.

A second `Gallery` of the same collection stands for another process.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.conf import settings as site
from django.core.files.base import ContentFile
from django.db import OperationalError, connections
from django.utils import timezone

from ml_engine.matching.checked_file import CheckedFile
from ml_engine.types import Float32
from recognition.people.index import (
    Gallery,
    GalleryLoader,
    changes_prune,
    gallery_of,
    reading,
    settling,
    snapshot_files,
    snapshot_problems,
    snapshots,
    snapshots_prune,
    snapshots_refresh,
)
from recognition.people.index.snapshot_files import SnapshotFiles
from recognition.people.models import (
    Collection,
    FaceImage,
    GalleryChange,
    GallerySnapshot,
    Person,
    Template,
)
from recognition.people.services.collections import collection_delete
from recognition.people.services.enrolment import image_delete, image_move
from recognition.people.services.persons import person_erase, person_merge, person_update
from recognition.web.errors import ServiceError
from recognition.web.leases import DatabaseTime
from tests.callers import signed_in
from tests.databases import database_url
from tests.factories import ACTOR, add_people, make_collection, make_person
from tests.fakes import embedding_of
from tests.ml_engine.vectors import people as clouds
from tests.recognition.people.index.galleries import add

pytestmark = pytest.mark.django_db(transaction=True)

PEOPLE, LOOKS, DIMENSION = 6, 3, 192


@pytest.fixture(autouse=True)
def _small_ones_too(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.GALLERY_SNAPSHOT_FROM = 1
    # Several steps for some templates.
    monkeypatch.setattr(reading, "BLOCK_ROWS", 4)
    monkeypatch.setattr(snapshot_files, "_NAMES_AT_ONCE", 2)


@pytest.fixture
def collection() -> Collection:
    return make_collection(name="Main", search_kind="int8")


@pytest.fixture
def vectors() -> Float32:
    return clouds(PEOPLE, LOOKS, DIMENSION)[0]


@pytest.fixture
def persons(collection: Collection, vectors: Float32) -> list[Person]:
    owners = np.repeat(np.arange(PEOPLE), LOOKS)
    made = [
        make_person(collection, name=f"Secret name {n}", external_id=f"e{n}", labels=["a", str(n)])
        for n in range(PEOPLE)
    ]
    return add_people(collection, vectors, owners, made)


def _load(collection: Collection) -> Gallery:
    gallery = Gallery(collection)
    gallery.follow()
    return gallery


def _row() -> GallerySnapshot:
    return GallerySnapshot.objects.get()


def _folders() -> list[str]:
    folder = Path(site.GALLERY_SNAPSHOT_DIR)
    return sorted(path.name for path in folder.glob("*-*")) if folder.exists() else []


def _stored() -> bytes:
    """All that lies in the folder of snapshots."""
    files = sorted(Path(site.GALLERY_SNAPSHOT_DIR).rglob("*"))
    return b"".join(path.read_bytes() for path in files if path.is_file())


def _found(gallery: Gallery, vectors: Float32) -> list[Any]:
    return [
        None if not found or found[0].similarity < 0.99 else found[0].person
        for found in gallery.search(vectors)
    ]


def _check_follows(gallery: Gallery, collection: Collection, vectors: Float32) -> None:
    """The gallery answers as the database has it."""
    wanted = {}
    for row in Template.objects.filter(collection=collection).select_related("image__person"):
        wanted[bytes(row.vector)] = row.image.person_id
    expected = [wanted.get(vector.tobytes()) for vector in vectors]
    assert _found(gallery, vectors) == expected
    assert gallery.size == (len(set(wanted.values())), len(wanted))


def test_gallery_of_a_snapshot_answers_as_one_of_the_database(
    collection: Collection, persons: list[Person], vectors: Float32, settings: Any
) -> None:
    mapped = _load(collection)
    assert _folders() == [_row().name] and _row().templates == PEOPLE * LOOKS
    settings.GALLERY_SNAPSHOT_FROM = 0
    plain = _load(collection)
    assert mapped.size == plain.size == (PEOPLE, PEOPLE * LOOKS)
    for one, other in zip(mapped.search(vectors), plain.search(vectors), strict=True):
        assert [(c.person, c.template) for c in one] == [(c.person, c.template) for c in other]
        assert mapped.image_of(one[0].template) == plain.image_of(one[0].template)
    for person in persons:
        assert mapped.name_of(person.pk) == person.name
        assert mapped.external_id_of(person.pk) == person.external_id
        assert mapped.labels_of(person.pk) == tuple(person.labels)
        np.testing.assert_array_equal(mapped._vectors_of(person.pk), plain._vectors_of(person.pk))


def test_small_gallery_and_other_kinds_have_no_snapshot(
    collection: Collection, persons: list[Person], settings: Any
) -> None:
    settings.GALLERY_SNAPSHOT_FROM = PEOPLE * LOOKS + 1
    _load(collection)
    settings.GALLERY_SNAPSHOT_FROM = 1
    for kind in ("float32", "ivf"):
        Collection.objects.update(search_kind=kind)
        _load(collection)
    assert _folders() == [] and not GallerySnapshot.objects.exists()


def test_switched_off_snapshots_leave_the_folder_alone(
    collection: Collection, persons: list[Person], settings: Any
) -> None:
    settings.GALLERY_SNAPSHOT_FROM = 0
    settings.GALLERY_SNAPSHOT_DIR = None  # a path of it cannot be made
    gallery = gallery_of(collection)
    assert gallery.size == (PEOPLE, PEOPLE * LOOKS)
    person_erase(person=persons[0], actor=ACTOR)
    GalleryLoader()._look()
    assert (snapshots_prune(), snapshots_refresh(), snapshots.snapshots_rewrite()) == (0, 0, 0)
    for person in persons[1:]:
        person_erase(person=person, actor=ACTOR)
    collection_delete(collection=collection, actor=ACTOR)


def test_snapshots_from_before_they_were_switched_off_are_overwritten_and_pruned(
    collection: Collection, persons: list[Person], vectors: Float32, settings: Any
) -> None:
    _load(collection)
    before = _row().name
    settings.GALLERY_SNAPSHOT_FROM = 0
    GalleryLoader()._look()
    assert gallery_of(collection).snapshot == ""
    person_erase(person=persons[0], actor=ACTOR)
    assert not _is_stored(0, vectors) and _folders() == [before]
    assert snapshots_refresh() == 0 and _row().name == before
    assert snapshots_prune() == 1
    assert _folders() == [] and not GallerySnapshot.objects.exists()


def test_second_process_maps_the_same_files(
    collection: Collection, persons: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    _load(collection)
    before = _row()
    monkeypatch.setattr(reading.TemplateReader, "blocks", None)  # it reads no template
    assert _load(collection).size == (PEOPLE, PEOPLE * LOOKS)
    assert _row().name == before.name and _folders() == [before.name]


def test_changes_after_a_snapshot_are_followed(
    collection: Collection, persons: list[Person], vectors: Float32
) -> None:
    running = _load(collection)
    name = _row().name
    new = embedding_of(1)[None]
    add(persons[0], new[0])
    add(make_person(collection, name="Newcomer"), embedding_of(2))
    person_update(person=persons[1], actor=ACTOR, name="Renamed")
    person_update(person=persons[2], actor=ACTOR, is_active=False)
    person_erase(person=persons[3], actor=ACTOR)
    person_merge(into=persons[4], person=persons[5], actor=ACTOR)
    running.follow(now=True)
    Template.objects.filter(image__person=persons[2]).update(collection=make_collection())
    everyone = np.concatenate([vectors, new, embedding_of(2)[None]])
    for gallery in (running, _load(collection)):
        _check_follows(gallery, collection, everyone)
        assert gallery.name_of(persons[1].pk) == "Renamed"
        assert gallery.name_of(persons[3].pk) is None
    assert _row().name == name, "it was not written again"


def _cut(files: Path) -> None:
    content = (files / "vectors").read_bytes()
    (files / "vectors").write_bytes(content[:-4])


def _change(files: Path) -> None:
    content = (files / "codes").read_bytes()
    (files / "codes").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def _half_written(files: Path) -> None:
    (files / "head.json").unlink()


def _other_version(files: Path) -> None:
    head = (files / "head.json").read_bytes()
    (files / "head.json").write_bytes(head.replace(b'"version": 1', b'"version": 9'))


def _gone(files: Path) -> None:
    SnapshotFiles(files, DIMENSION).discard()


def _other_database(files: Path) -> None:
    GallerySnapshot.objects.update(digest="0" * 64)


@pytest.mark.parametrize(
    "damage", [_cut, _change, _half_written, _other_version, _gone, _other_database]
)
def test_damaged_snapshot_is_told_and_written_again(
    damage: Callable[[Path], None],
    collection: Collection,
    persons: list[Person],
    vectors: Float32,
    caplog: pytest.LogCaptureFixture,
) -> None:
    _load(collection)
    before = _row().name
    damage(Path(site.GALLERY_SNAPSHOT_DIR) / before)
    _check_follows(_load(collection), collection, vectors)
    after = _row()
    assert after.name not in ("", before) and _folders() == [after.name]
    assert "It is not used" in after.problem and "It is not used" in caplog.text
    assert snapshot_problems() == [f"Main: {after.problem}"]
    page = signed_in("administrator").get("/admin/").content.decode()
    assert "Snapshot of Main: It is not used" in page
    health = signed_in("administrator").get("/health/ready").json()
    assert health["snapshots"] == snapshot_problems()
    assert "Snapshot of Main" not in signed_in("operator").get("/admin/").content.decode()


@pytest.mark.parametrize("code", [errno.EMFILE, errno.EIO, errno.EACCES])
def test_snapshot_that_cannot_be_read_now_is_kept(
    code: int,
    collection: Collection,
    persons: list[Person],
    vectors: Float32,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(code, os.strerror(code))

    _load(collection)
    before = _row().name
    with monkeypatch.context() as patch:
        patch.setattr(SnapshotFiles, "check", refuse)
        gallery = _load(collection)
        _check_follows(gallery, collection, vectors)
    assert gallery.snapshot == "" and _row().problem == ""
    assert _load(collection).snapshot == before and _folders() == [before]


def test_erasure_deletes_files_without_a_row_and_reads_no_log(
    collection: Collection, persons: list[Person], vectors: Float32, monkeypatch: pytest.MonkeyPatch
) -> None:
    _load(collection)
    GallerySnapshot.objects.update(folder="another machine")
    monkeypatch.setattr(settling, "_SETTLE_S", 0.0)
    monkeypatch.setattr(settling.TemplateReader, "changed", None)
    with pytest.raises(ServiceError, match="no running process sees"):
        person_erase(person=persons[0], actor=ACTOR)
    assert _folders() == []


def test_deleted_files_are_not_cut_under_those_who_read_them(
    collection: Collection, persons: list[Person]
) -> None:
    """A process that reads a cut page of a map is killed."""
    _load(collection)
    files = Path(site.GALLERY_SNAPSHOT_DIR) / _row().name
    _half_written(files)
    size = (files / "vectors").stat().st_size
    with (files / "vectors").open("rb") as held:
        _gone(files)
        assert os.fstat(held.fileno()).st_size == size > 0
    assert _folders() == []
    _gone(files)


def test_snapshot_of_a_later_state_than_a_restored_database_is_not_used(
    collection: Collection, persons: list[Person], vectors: Float32
) -> None:
    _load(collection)
    before = _row()
    image_delete(image=FaceImage.objects.filter(person=persons[0])[0], actor=ACTOR)
    # The backup does not have this change.
    GalleryChange.objects.all().delete()
    Collection.objects.update(gallery_revision=before.revision)
    GallerySnapshot.objects.update(overwritten_revision=before.revision)
    _check_follows(_load(collection), collection, vectors)
    assert _row().name != before.name and "later state" in _row().problem


def test_snapshot_whose_log_is_missing_is_written_again(
    collection: Collection, persons: list[Person], vectors: Float32
) -> None:
    _load(collection)
    before = _row().name
    add(persons[0], embedding_of(1))
    GalleryChange.objects.all().delete()
    _check_follows(_load(collection), collection, vectors)
    assert _row().name != before


def _erase(person: Person, other: Person) -> None:
    person_erase(person=person, actor=ACTOR)


def _merge(person: Person, other: Person) -> None:
    person_merge(into=other, person=person, actor=ACTOR)


def _delete_images(person: Person, other: Person) -> None:
    for image in person.images.all():
        image_delete(image=image, actor=ACTOR)


def _move_images(person: Person, other: Person) -> None:
    for image in person.images.all():
        image_move(image=image, person=other, name="", actor=ACTOR)


@pytest.mark.parametrize("removal", [_erase, _merge, _delete_images, _move_images])
def test_removed_vector_is_in_no_file_after_the_answer(
    removal: Callable[[Person, Person], None],
    collection: Collection,
    persons: list[Person],
    vectors: Float32,
) -> None:
    running = _load(collection)
    assert _is_stored(0, vectors)
    removal(persons[0], persons[1])
    assert not _is_stored(0, vectors) and _is_stored(1, vectors)
    running.follow(now=True)
    for gallery in (running, _load(collection)):
        _check_follows(gallery, collection, vectors)
    assert _row().problem == "", "it is still used"


def test_one_removed_image_leaves_the_name_of_the_person(
    collection: Collection, persons: list[Person], vectors: Float32
) -> None:
    _load(collection)
    image_delete(image=persons[0].images.order_by("id")[0], actor=ACTOR)
    assert b"Secret name 0" in _stored() and vectors[0].tobytes() not in _stored()
    assert _load(collection).name_of(persons[0].pk) == "Secret name 0"


def _before_each_step(monkeypatch: pytest.MonkeyPatch, act: Callable[[int], None]) -> None:
    """Before a step of writing takes the lock, call `act` with its number."""
    lock, numbers, acts = SnapshotFiles.lock, itertools.count(), False

    def locked(self: SnapshotFiles, kind: int = fcntl.LOCK_EX) -> Any:
        nonlocal acts
        if kind == fcntl.LOCK_EX and not acts:
            acts = True
            act(next(numbers))
            acts = False
        return lock(self, kind)

    monkeypatch.setattr(SnapshotFiles, "lock", locked)


def _count_steps(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> int:
    numbers: list[int] = []
    with monkeypatch.context() as patch:
        _before_each_step(patch, numbers.append)
        _load(collection)
    snapshots.snapshots_of_collection_delete(collection)
    return len(numbers)


def test_person_erased_while_a_snapshot_is_written_is_in_no_file(
    collection: Collection,
    persons: list[Person],
    vectors: Float32,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a block that is written, of one that is not, and while codes and names are."""
    steps = _count_steps(collection, monkeypatch)
    erased_at = {1: 0, 3: 5, steps // 2: 2, steps - 4: 4}

    def erase(number: int) -> None:
        if number in erased_at:
            person = erased_at[number]
            person_erase(person=persons[person], actor=ACTOR)
            assert not _is_stored(person, vectors)

    with monkeypatch.context() as patch:
        _before_each_step(patch, erase)
        gallery = _load(collection)
    assert not [person for person in erased_at.values() if _is_stored(person, vectors)]
    assert Person.objects.count() == PEOPLE - len(erased_at)
    _check_follows(gallery, collection, vectors)
    _check_follows(_load(collection), collection, vectors)


def test_person_who_loses_all_images_while_a_snapshot_is_written_is_not_named_in_it(
    collection: Collection,
    persons: list[Person],
    vectors: Float32,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A later erasure has no template by which the name is found."""
    at = _count_steps(collection, monkeypatch) // 2

    def delete(number: int) -> None:
        if number == at:
            _delete_images(persons[2], persons[0])

    with monkeypatch.context() as patch:
        _before_each_step(patch, delete)
        gallery = _load(collection)
    assert not _is_stored(2, vectors) and b"Secret name 3" in _stored()
    _check_follows(gallery, collection, vectors)


def _is_stored(person: int, vectors: Float32) -> bool:
    stored, theirs = _stored(), vectors[person * LOOKS : (person + 1) * LOOKS]
    is_named = f"Secret name {person}".encode() in stored
    return is_named or any(vector.tobytes() in stored for vector in theirs)


def test_erasure_that_was_cut_off_is_finished_by_the_next_look(
    collection: Collection, persons: list[Person], vectors: Float32, monkeypatch: pytest.MonkeyPatch
) -> None:
    _load(collection)
    with monkeypatch.context() as patch:
        patch.setattr(settling, "_settle_everywhere", lambda *_: None)
        person_erase(person=persons[0], actor=ACTOR)
    assert vectors[0].tobytes() in _stored()
    settling.snapshots_settle_all()
    assert vectors[0].tobytes() not in _stored()


def test_erasure_deletes_a_snapshot_that_it_cannot_overwrite(
    collection: Collection, persons: list[Person], vectors: Float32, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = _load(collection)

    def refuse(*_: Any) -> None:
        raise OSError(errno.EIO, "no")

    with monkeypatch.context() as patch:
        patch.setattr(CheckedFile, "overwrite", refuse)
        person_erase(person=persons[0], actor=ACTOR)
    assert vectors[0].tobytes() not in _stored() and _row().name == "" and _folders() == []
    gallery.follow(now=True)
    _check_follows(gallery, collection, vectors)
    _check_follows(_load(collection), collection, vectors)


def test_erasure_is_not_acknowledged_while_a_folder_is_out_of_reach(
    collection: Collection,
    persons: list[Person],
    vectors: Float32,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(settling, "_SETTLE_S", 0.0)
    _load(collection)
    there = settings.GALLERY_SNAPSHOT_DIR
    settings.GALLERY_SNAPSHOT_DIR = tmp_path / "another machine"
    with pytest.raises(ServiceError, match="no running process sees") as refused:
        person_erase(person=persons[0], actor=ACTOR)
    assert (refused.value.code, refused.value.status) == ("snapshot_out_of_reach", 503)
    settings.GALLERY_SNAPSHOT_DIR = there
    settling.snapshots_settle_all()
    assert vectors[0].tobytes() not in _stored()


def test_picture_is_removed_while_a_folder_is_out_of_reach(
    collection: Collection,
    persons: list[Person],
    vectors: Float32,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
    tmp_path: Path,
) -> None:
    """The answer is no, but all steps after the commit have run, and it can be asked again."""
    monkeypatch.setattr(settling, "_SETTLE_S", 0.0)
    images = list(persons[0].images.all())
    for image in images:
        image.file.save("face.jpg", ContentFile(b"face"))
    _load(collection)
    there = settings.GALLERY_SNAPSHOT_DIR
    settings.GALLERY_SNAPSHOT_DIR = tmp_path / "another machine"
    for _ in range(2):
        with pytest.raises(ServiceError, match="no running process sees"):
            image_delete(image=images[0], actor=ACTOR)
    with pytest.raises(ServiceError, match="no running process sees"):
        person_erase(person=persons[0], actor=ACTOR)
    assert not [path for path in Path(site.MEDIA_ROOT).rglob("*") if path.is_file()]
    settings.GALLERY_SNAPSHOT_DIR = there
    settling.snapshots_settle_all()
    with pytest.raises(ServiceError) as refused:
        person_erase(person=persons[0], actor=ACTOR)
    assert refused.value.status == 404 and not _is_stored(0, vectors)


def test_failure_to_overwrite_does_not_repeat_an_erasure(
    collection: Collection, persons: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: Any) -> None:
        raise OperationalError("database is locked")

    _load(collection)
    monkeypatch.setattr(settling, "_settle_everywhere", locked)
    with pytest.raises(OperationalError):
        person_erase(person=persons[0], actor=ACTOR)
    assert Person.objects.count() == PEOPLE - 1


def test_erasure_waits_for_a_folder_whose_mark_cannot_be_read(
    collection: Collection, persons: list[Person], vectors: Float32, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many open files, for example. Another process sees the folder."""
    _load(collection)
    before = _row().name
    monkeypatch.setattr(settling, "_SETTLE_S", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(settling, "folder_mark", lambda: "")
        with pytest.raises(ServiceError, match="no running process sees"):
            person_erase(person=persons[0], actor=ACTOR)
        assert _folders() == [before]
    settling.snapshots_settle_all()
    assert not _is_stored(0, vectors) and _folders() == [before]


def test_two_processes_write_one_snapshot(
    collection: Collection, persons: list[Person], vectors: Float32
) -> None:
    galleries = [Gallery(collection) for _ in range(3)]

    def load(gallery: Gallery) -> None:
        gallery.follow()
        connections.close_all()

    threads = [threading.Thread(target=load, args=(gallery,)) for gallery in galleries]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _folders() == [_row().name] and _row().lease_number == 1
    for gallery in galleries:
        _check_follows(gallery, collection, vectors)


def test_writer_that_lost_its_lease_writes_nothing_more(
    collection: Collection, persons: list[Person], vectors: Float32, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It wakes after another process has written a snapshot."""
    for at in range(_count_steps(collection, monkeypatch)):
        snapshots.snapshots_of_collection_delete(collection)
        taken: list[str] = []

        def take_over(number: int, at: int = at, taken: list[str] = taken) -> None:
            if number == at:
                GallerySnapshot.objects.update(owner="", lease_until=None)
                _load(collection)
                taken.append(_row().name)

        with monkeypatch.context() as patch:
            _before_each_step(patch, take_over)
            gallery = _load(collection)
        assert [_row().name] == taken == _folders()
        _check_follows(gallery, collection, vectors)


@pytest.mark.parametrize("at", [0, 3, 9])
def test_full_disk_leaves_the_gallery_without_a_snapshot(
    at: int,
    collection: Collection,
    persons: list[Person],
    vectors: Float32,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    append, calls = CheckedFile.append, iter(range(10**6))

    def full(self: CheckedFile, rows: Any) -> None:
        if next(calls) >= at:
            raise OSError(errno.ENOSPC, "No space left on device")
        append(self, rows)

    monkeypatch.setattr(CheckedFile, "append", full)
    _check_follows(_load(collection), collection, vectors)
    assert _folders() == [] and (_row().name, _row().owner) == ("", "")
    assert "No space left" in _row().problem
    monkeypatch.setattr(CheckedFile, "append", append)
    assert snapshots_refresh() == 1, "the upkeep tries again"
    assert _folders() == [_row().name]


def test_galleries_work_without_a_folder_that_can_be_used(
    collection: Collection,
    persons: list[Person],
    vectors: Float32,
    settings: Any,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "file").touch()
    settings.GALLERY_SNAPSHOT_DIR = tmp_path / "file" / "snapshots"
    gallery, loader = gallery_of(collection), GalleryLoader()
    for _ in range(2):
        loader._look()
        assert gallery.is_loaded and gallery.snapshot == ""
    _check_follows(gallery, collection, vectors)
    assert (snapshots_prune(), snapshots_refresh()) == (0, 0)
    person_erase(person=persons[0], actor=ACTOR)
    told = [record for record in caplog.records if "there are no snapshots" in record.message]
    assert 1 <= len(told) <= 2, "of reading and of making it"


def test_look_goes_on_if_a_snapshot_is_neither_overwritten_nor_deleted(
    collection: Collection, persons: list[Person], vectors: Float32, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    gallery = gallery_of(collection)
    gallery.follow()
    add(persons[0], embedding_of(1))
    monkeypatch.setattr(CheckedFile, "overwrite", refuse)
    monkeypatch.setattr(SnapshotFiles, "discard", refuse)
    GalleryLoader()._look()
    assert gallery.size == (PEOPLE, PEOPLE * LOOKS + 1)


def test_too_little_room_is_told_before_anything_is_written(
    collection: Collection, persons: list[Person], settings: Any
) -> None:
    settings.KEEP_FREE_BYTES = 1 << 60
    assert _load(collection).size == (PEOPLE, PEOPLE * LOOKS)
    assert _folders() == [] and "of free disk" in _row().problem


def test_upkeep_writes_again_what_has_changed_much(
    collection: Collection, persons: list[Person], vectors: Float32, monkeypatch: pytest.MonkeyPatch
) -> None:
    _load(collection)
    before = _row().name
    add(persons[0], embedding_of(1))
    assert snapshots_refresh() == 0
    monkeypatch.setattr(snapshots, "REWRITE_FROM", 0)
    add(persons[0], embedding_of(2))
    assert snapshots_refresh() == 1
    assert _folders() == [_row().name] != [before]
    _check_follows(_load(collection), collection, vectors)
    assert snapshots_refresh() == 0


def test_running_process_takes_a_snapshot_that_was_written_again(
    collection: Collection, persons: list[Person], vectors: Float32
) -> None:
    gallery = gallery_of(collection)
    gallery.follow()
    add(persons[0], embedding_of(1))
    assert snapshots.snapshots_rewrite() == 1
    rewritten = _row().name
    person_erase(person=persons[1], actor=ACTOR)
    GalleryLoader()._look()
    assert gallery.snapshot == _row().name == rewritten
    _check_follows(gallery, collection, np.concatenate([vectors, embedding_of(1)[None]]))


def test_change_before_a_snapshot_was_written_again_is_not_overwritten_in_it(
    collection: Collection, persons: list[Person], vectors: Float32
) -> None:
    """The next look, after the writing, still finds the change in the log."""
    _load(collection)
    person_update(person=persons[0], actor=ACTOR, name="Renamed")
    assert snapshots.snapshots_rewrite() == 1
    rewritten = _row().name
    gallery = _load(collection)
    GalleryLoader()._look()
    assert _is_stored(0, vectors)
    for each in (gallery, _load(collection)):
        _check_follows(each, collection, vectors)
        assert each.snapshot == _row().name == rewritten


def test_snapshot_of_a_later_state_than_a_restored_database_is_deleted_by_an_erasure(
    collection: Collection, persons: list[Person], vectors: Float32
) -> None:
    before = Collection.objects.get(pk=collection.pk).gallery_revision
    person_update(person=persons[1], actor=ACTOR, name="Renamed")
    person_update(person=persons[1], actor=ACTOR, name="Renamed again")
    _load(collection)
    GalleryChange.objects.filter(revision__gt=before).delete()
    Collection.objects.update(gallery_revision=before)
    GallerySnapshot.objects.update(overwritten_revision=before)
    person_erase(person=persons[0], actor=ACTOR)
    assert not _is_stored(0, vectors) and _folders() == []


def test_upkeep_keeps_the_log_that_a_snapshot_needs(
    collection: Collection, persons: list[Person]
) -> None:
    _load(collection)
    add(persons[0], embedding_of(1))
    GalleryChange.objects.update(created_at=timezone.now() - timedelta(days=3))
    changes_prune()
    revisions = set(GalleryChange.objects.values_list("revision", flat=True))
    assert revisions == {_row().revision + 1}
    GallerySnapshot.objects.all().delete()
    changes_prune()
    assert not GalleryChange.objects.exists()


def test_upkeep_removes_files_without_a_row_and_models_that_were_let_go(
    collection: Collection, persons: list[Person]
) -> None:
    _load(collection)
    folder = Path(site.GALLERY_SNAPSHOT_DIR)
    kept = _row().name
    (folder / f"{collection.pk.hex}-9-1-abcd-192").mkdir()
    assert snapshots_prune() == 1 and _folders() == [kept]
    other = make_collection(name="Other", embedder="dlib_resnet").embedder
    Collection.objects.filter(pk=collection.pk).update(embedder=other)
    assert snapshots_prune() == 1 and _folders() == []


def test_erasure_deletes_snapshots_of_a_model_that_was_let_go(
    collection: Collection, persons: list[Person], vectors: Float32
) -> None:
    """Its templates were deleted before, and no log names them."""
    _load(collection)
    other = make_collection(name="Other", embedder="dlib_resnet").embedder
    Collection.objects.filter(pk=collection.pk).update(embedder=other)
    Template.objects.all().delete()
    assert _is_stored(0, vectors)
    person_erase(person=persons[0], actor=ACTOR)
    assert not _is_stored(0, vectors) and not GallerySnapshot.objects.exists()


def test_deleted_collection_takes_its_snapshot_along(
    collection: Collection, persons: list[Person], vectors: Float32
) -> None:
    _load(collection)
    for person in persons:
        person_erase(person=person, actor=ACTOR)
    assert _folders()
    collection_delete(collection=collection, actor=ACTOR)
    assert _folders() == [] and not GallerySnapshot.objects.exists()


def _start_writer(at: int, sent: str) -> subprocess.Popen[str]:
    environment = os.environ | {
        "DATABASE_URL": database_url(),
        "GALLERY_SNAPSHOT_DIR": str(site.GALLERY_SNAPSHOT_DIR),
        "GALLERY_SNAPSHOT_FROM": "1",
        "FACEREC_VAR": str(site.VAR_DIR),
        "SECRET_KEY": site.SECRET_KEY,
        "AT": str(at),
        "SIGNAL": sent,
    }
    module = "tests.recognition.people.index.snapshot_writer"
    return subprocess.Popen([sys.executable, "-m", module], env=environment, text=True)


def _lapse() -> None:
    GallerySnapshot.objects.update(lease_until=DatabaseTime(-1))


@pytest.mark.parametrize("at", [1, 4, 8])
def test_killed_writer_leaves_nothing_that_is_used(
    at: int, collection: Collection, persons: list[Person], vectors: Float32
) -> None:
    assert _start_writer(at, "SIGKILL").wait(300) == -signal.SIGKILL
    left = _folders()
    assert len(left) == 1 and _row().name == "" and _row().owner
    person_erase(person=persons[0], actor=ACTOR)
    assert not _is_stored(0, vectors)
    _lapse()
    _check_follows(_load(collection), collection, vectors)
    assert _folders() == [_row().name] != left


def test_paused_writer_that_wakes_after_its_lease_writes_nothing_more(
    collection: Collection, persons: list[Person], vectors: Float32
) -> None:
    writer = _start_writer(4, "SIGSTOP")
    os.waitpid(writer.pid, os.WUNTRACED)
    _lapse()
    _check_follows(_load(collection), collection, vectors)
    written = _row()
    writer.send_signal(signal.SIGCONT)
    assert writer.wait(300) == 0, "it maps what the other one wrote"
    assert _folders() == [written.name] == [_row().name]
    assert _row().lease_number == written.lease_number
