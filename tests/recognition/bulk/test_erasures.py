"""People who are erased while an import of their photos waits, is planned or runs."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.files.storage import default_storage

from recognition.bulk.archives.photos import PhotoArchive
from recognition.bulk.archives.pieces import chunks_of
from recognition.bulk.models import ImportItem, ImportRun, Piece
from recognition.bulk.services import running
from recognition.bulk.services.imports import import_finish
from recognition.people.models import Collection, Person
from recognition.people.services.persons import person_erase
from tests.factories import ACTOR, enrol, make_collection, make_person
from tests.fakes import FakeEngine, photo
from tests.recognition.bulk.test_exports import exported
from tests.recognition.bulk.zips import sent, started, zip_of
from tests.recognition.jobs.runs import run_jobs
from tests.recognition.storage import assert_consistent

pytestmark = pytest.mark.django_db(transaction=True)

_PHOTOS = {"Ann/1.jpg": photo(1), "Bob/1.jpg": photo(2), "Ann/2.jpg": photo(1, looks=1)}
_CODES = ["person_erased", "accepted", "person_erased"]


@pytest.fixture(autouse=True)
def _engine(engine: FakeEngine) -> None:
    """Use the fake engine."""


def _erase(name: str) -> None:
    person_erase(person=Person.objects.get(name=name), actor=ACTOR)


def _codes(run: ImportRun) -> list[str]:
    return list(run.items.order_by("number").values_list("code", flat=True))


def _held(run: ImportRun, photos: dict[str, bytes]) -> set[str]:
    """The photos that are readable in the archive."""
    run.refresh_from_db()
    assert run.archive is not None
    stored = b"".join(chunks_of(run.archive))
    return {path for path, data in photos.items() if data in stored}


def _before(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, act: Callable[[], None]
) -> None:
    """Call `act` before the first call of this function."""
    real, calls = getattr(owner, name), []

    def wrapped(*args: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            act()
        return real(*args, **options)

    monkeypatch.setattr(owner, name, wrapped)


def assert_only_bob_is_left(collection: Collection, run: ImportRun) -> None:
    assert [person.name for person in Person.objects.all()] == ["Bob"]
    assert _codes(run) == _CODES
    refused = run.items.filter(code="person_erased").values_list("path", "person_key", "who")
    assert set(map(str, refused)) == {str(("", "", {}))}
    run.refresh_from_db()
    assert run.erased == []
    assert_consistent(collection)


@pytest.mark.parametrize("is_uploading", [True, False], ids=["uploading", "waiting"])
def test_person_erased_before_the_import_begins_is_not_enrolled_again(
    collection: Collection, monkeypatch: pytest.MonkeyPatch, is_uploading: bool
) -> None:
    make_person(collection, name="Ann")
    run = sent(collection, zip_of(_PHOTOS))
    if not is_uploading:
        import_finish(run=run, actor=ACTOR)
    _erase("Ann")
    if is_uploading:
        import_finish(run=run, actor=ACTOR)
    seen: list[set[str]] = []
    _before(monkeypatch, running, "_enrol_all", lambda: seen.append(_held(run, _PHOTOS)))
    run_jobs()
    assert seen == [{"Bob/1.jpg"}]
    assert_only_bob_is_left(collection, run)


def test_person_erased_while_the_import_is_planned_is_not_enrolled_again(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first photo has its item already, and the last one not yet."""
    make_person(collection, name="Ann")
    run = started(collection, zip_of(_PHOTOS))
    planned = PhotoArchive.planned

    def erasing(archive: PhotoArchive) -> Iterator[Any]:
        for number, found in enumerate(planned(archive)):
            if number == 2:
                _erase("Ann")
            yield found

    monkeypatch.setattr(PhotoArchive, "planned", erasing)
    monkeypatch.setattr(running, "_BATCH", 1)
    run_jobs()
    assert_only_bob_is_left(collection, run)


def test_import_that_is_planned_once_more_still_knows_who_was_erased(
    collection: Collection,
) -> None:
    """As after a worker that was killed while it planned."""
    ann = make_person(collection, name="Ann")
    run = started(collection, zip_of(_PHOTOS))
    run.items.create(number=0, path="Ann/1.jpg", person_key="folder:Ann", who={"name": "Ann"})
    _erase(ann.name)
    assert run.items.get().code == "person_erased"
    run_jobs()
    assert_only_bob_is_left(collection, run)


def test_person_is_found_in_an_import_that_waits_as_the_import_would(
    collection: Collection,
) -> None:
    make_person(collection, name="Cy X", external_id="c-1")
    text = "file,name,external_id\na.jpg,Ann,\nc.jpg,,c-1\nd.jpg,Cy X,\ne.jpg,Cy X,e-1\n"
    files = {name: photo(n) for n, name in enumerate(("a.jpg", "c.jpg", "d.jpg", "e.jpg"), 1)}
    listed = started(collection, zip_of({"list.csv": text.encode(), **files}))
    folders = started(collection, zip_of({"c-1/1.jpg": photo(2), "Di/1.jpg": photo(5)}))
    _erase("Cy X")
    run_jobs()
    assert _codes(listed) == ["accepted", "person_erased", "person_erased", "accepted"]
    assert _codes(folders) == ["person_erased", "accepted"]


class TestNamesakes:
    """The person who is erased, and another one with the same name."""

    def _item(self, run: ImportRun, number: int, key: str, **values: Any) -> ImportItem:
        who = {"name": "Ann"}
        return run.items.create(number=number, path="x.jpg", person_key=key, who=who, **values)

    def _run(self, collection: Collection) -> ImportRun:
        run = started(collection, zip_of(_PHOTOS))
        ImportRun.objects.filter(pk=run.pk).update(is_planned=True)
        return run

    def test_person_of_an_export_with_the_same_name_is_left_alone(
        self, collection: Collection
    ) -> None:
        run = self._run(collection)
        ann = make_person(collection, name="Ann")
        mine = self._item(run, 0, f"person:{ann.pk}", sha256="1")
        other = self._item(run, 1, "person:5b0c8d3e-0000-7000-8000-000000000001", sha256="2")
        _erase("Ann")
        mine.refresh_from_db()
        other.refresh_from_db()
        assert (mine.code, other.code, other.who) == ("person_erased", "", {"name": "Ann"})

    def test_photos_that_go_to_a_namesake_are_left_alone(self, collection: Collection) -> None:
        run = self._run(collection)
        ann, other = make_person(collection, name="Ann"), make_person(collection, name="Ann")
        self._item(run, 0, "folder:Ann", person=other, state=ImportItem.State.ENROLLED)
        pending = self._item(run, 1, "folder:Ann")
        person_erase(person=ann, actor=ACTOR)
        pending.refresh_from_db()
        assert (pending.code, pending.path) == ("", "x.jpg")
        person_erase(person=other, actor=ACTOR)
        pending.refresh_from_db()
        assert (pending.code, pending.path) == ("person_erased", "")


class TestArchive:
    def _erase_while_running(
        self,
        collection: Collection,
        engine: FakeEngine,
        monkeypatch: pytest.MonkeyPatch,
        data: bytes,
        act: Callable[[ImportRun], None],
    ) -> ImportRun:
        run = started(collection, data)
        make_person(collection, name="Ann")
        _before(monkeypatch, engine, "find", lambda: act(run))
        run_jobs()
        return run

    def test_list_of_entries_is_not_read_to_erase_a_person(
        self, collection: Collection, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        photos = {f"Bob/{n}.jpg": photo(2, looks=n) for n in range(3)} | {"Ann/1.jpg": photo(1)}

        def act(run: ImportRun) -> None:
            with monkeypatch.context() as patched:
                patched.setattr(zipfile, "ZipFile", None)
                _erase("Ann")
            assert _held(run, photos) == photos.keys() - {"Ann/1.jpg"}

        run = self._erase_while_running(collection, engine, monkeypatch, zip_of(photos), act)
        assert _codes(run) == ["accepted", "accepted", "accepted", "person_erased"]

    @pytest.mark.parametrize("what", ["file", "row"])
    def test_erasure_succeeds_although_a_piece_is_gone(
        self,
        collection: Collection,
        engine: FakeEngine,
        monkeypatch: pytest.MonkeyPatch,
        what: str,
    ) -> None:
        def act(run: ImportRun) -> None:
            piece = Piece.objects.get(archive=run.archive_id)
            if what == "file":
                default_storage.delete(str(piece.file.name))
            else:
                piece.delete()
            _erase("Ann")

        data = zip_of({"Bob/1.jpg": photo(2), "Ann/1.jpg": photo(1)})
        run = self._erase_while_running(collection, engine, monkeypatch, data, act)
        assert "person_erased" in _codes(run)
        assert not Person.objects.filter(name="Ann").exists()

    def test_piece_that_goes_away_during_the_erasure_does_not_fail_it(
        self, collection: Collection, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The header of the photo is read, and then its piece cannot be opened."""
        real = default_storage.open

        def act(run: ImportRun) -> None:
            def opening(name: str, mode: str = "rb") -> Any:
                if mode == "r+b":
                    raise FileNotFoundError(name)
                return real(name, mode)

            with monkeypatch.context() as patched:
                patched.setattr(default_storage, "open", opening)
                _erase("Ann")

        data = zip_of({"Bob/1.jpg": photo(2), "Ann/1.jpg": photo(1)})
        run = self._erase_while_running(collection, engine, monkeypatch, data, act)
        assert _codes(run)[1] == "person_erased"
        run.refresh_from_db()
        assert run.archive is None


@pytest.mark.parametrize("is_planned", [True, False], ids=["planned", "waiting"])
def test_people_of_an_export_are_found_by_their_faces(
    collection: Collection, monkeypatch: pytest.MonkeyPatch, is_planned: bool
) -> None:
    """Here they have other ids than in the installation that made the export."""
    there = make_collection()
    for number, name in enumerate(("Ann", "Ann", "Bob"), start=1):
        enrol(make_person(there, name=name), number)
    make_person(there, name="Cid")
    data = exported(there)
    before = started(collection, data)
    run_jobs()
    again = started(collection, data)
    ann = before.items.order_by("number")[0].person
    assert ann is not None

    def erase() -> None:
        for person in (ann, collection.persons.get(name="Cid")):
            person_erase(person=person, actor=ACTOR)

    if is_planned:
        _before(monkeypatch, running, "_enrol_all", erase)
    else:
        erase()
    run_jobs()
    assert sorted(_codes(again)) == ["duplicate_image"] * 2 + ["person_erased"] * 2
    assert before.items.filter(path="").count() == 2
    assert sorted(collection.persons.values_list("name", flat=True)) == ["Ann", "Bob"]
