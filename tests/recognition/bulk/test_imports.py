"""What an import makes of the photos of an archive: enrolled, refused, overruled, erased."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.storage import default_storage

from accounts.models import AuditEntry
from recognition.bulk.archives.pieces import chunks_of
from recognition.bulk.models import Archive, ImportItem, ImportRun
from recognition.bulk.services.photos import item_enrol
from recognition.jobs.models import Job
from recognition.people.models import Collection, FaceImage, Person
from recognition.people.services.persons import person_erase, person_merge
from recognition.web.errors import ServiceError
from tests import pictures
from tests.factories import ACTOR, enrol, make_person
from tests.fakes import FakeEngine, photo
from tests.recognition.bulk.zips import outcomes, people_zip, started, zip_of
from tests.recognition.jobs.runs import run_jobs
from tests.recognition.storage import assert_consistent, stored_files

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _engine(engine: FakeEngine) -> None:
    """Use the fake engine."""


def test_import_enrols_a_folder_for_each_person(collection: Collection) -> None:
    run = started(collection, people_zip(people=3, photos=2))
    run_jobs()
    run.refresh_from_db()
    assert (run.state, run.archive) == (ImportRun.State.OVER, None)
    names = Person.objects.order_by("name").values_list("name", flat=True)
    assert list(names) == ["Person 0", "Person 1", "Person 2"]
    assert set(outcomes(run).values()) == {"accepted"}
    assert FaceImage.objects.filter(source="import").count() == 6
    assert run.job is not None
    assert Job.objects.get(pk=run.job.pk).result == {"enrolled": 6}
    assert not Archive.objects.exists()
    assert_consistent(collection)
    entry = AuditEntry.objects.get(action="import.end")
    assert entry.details == {"codes": {"enrolled": 6}}


def test_import_says_of_each_refused_photo_why(collection: Collection) -> None:
    data = zip_of(
        {
            "Ann/good.jpg": photo(1),
            "Ann/same.jpg": photo(1),
            "Ann/nobody.jpg": photo(),
            "Ann/two.jpg": photo(1, 2),
            "Bob/ann.jpg": photo(1, looks=3),
            "Bob/text.txt": b"hello",
            "Bob/empty.jpg": b"",
            "loose.jpg": photo(3),
            "__MACOSX/Ann/good.jpg": b"junk",
            "Ann/.DS_Store": b"junk",
        }
    )
    run = started(collection, data)
    run_jobs()
    assert outcomes(run) == {
        "Ann/good.jpg": "accepted",
        "Ann/same.jpg": "duplicate_image",
        "Ann/nobody.jpg": "no_face",
        "Ann/two.jpg": "several_faces",
        "Bob/ann.jpg": "looks_like_another_person",
        "Bob/text.txt": "unsupported_image",
        "Bob/empty.jpg": "empty_image",
        "loose.jpg": "no_person",
    }
    assert [person.name for person in Person.objects.all()] == ["Ann"]
    kept = ImportItem.objects.exclude(picture="").values_list("path", flat=True)
    assert set(kept) == {"Ann/two.jpg", "Bob/ann.jpg"}
    assert_consistent(collection)


def test_import_repeated_enrols_nothing_twice(collection: Collection) -> None:
    data = people_zip()
    started(collection, data)
    run_jobs()
    again = started(collection, data)
    run_jobs()
    assert set(outcomes(again).values()) == {"duplicate_image"}
    assert (Person.objects.count(), FaceImage.objects.count()) == (3, 6)


def test_folders_within_one_folder_are_of_people(collection: Collection) -> None:
    started(collection, zip_of({"all/x/Ann/1.jpg": photo(1), "all/x/Bob/1.jpg": photo(2)}))
    run_jobs()
    assert {person.name for person in Person.objects.all()} == {"Ann", "Bob"}


@pytest.mark.parametrize("path", ["./Ann/1.jpg", "Ann//1.jpg", ".\\Ann\\1.jpg"])
def test_path_with_empty_parts_is_read(collection: Collection, path: str) -> None:
    started(collection, zip_of({path: photo(1), "Bob/1.jpg": photo(2)}))
    run_jobs()
    assert {person.name for person in Person.objects.all()} == {"Ann", "Bob"}
    assert FaceImage.objects.count() == 2


def test_folder_named_after_an_external_id_goes_to_that_person(collection: Collection) -> None:
    known = make_person(collection, name="Ann Example", external_id="hr-17")
    started(collection, zip_of({"hr-17/1.jpg": photo(1)}))
    run_jobs()
    assert known.images.count() == 1
    assert Person.objects.count() == 1


def test_folder_with_a_name_that_two_people_have_is_refused(collection: Collection) -> None:
    make_person(collection, name="Ann")
    make_person(collection, name="Ann")
    run = started(collection, zip_of({"Ann/1.jpg": photo(1)}))
    run_jobs()
    assert outcomes(run) == {"Ann/1.jpg": "ambiguous_name"}
    assert "Ann" not in run.items.get().message, "messages stay after an erasure"


class TestList:
    """Photos with a CSV."""

    def test_list_gives_people_their_values(self, collection: Collection) -> None:
        rows = (
            "file;name;external_id;labels;consent;consent_at\n"
            'a.jpg;Ann Example;hr-1;"staff; vip";given;2026-01-31\n'
            "more;Ann Example;hr-1;;;\n"
            "b.jpg;Bob;;;;\n"
        )
        files = {
            "people.csv": "\ufeff".encode() + rows.encode(),
            "a.jpg": photo(1),
            "more/1.jpg": photo(1, looks=1),
            "more/2.jpg": photo(1, looks=2),
            "b.jpg": photo(2),
            "c.jpg": photo(3),
        }
        run = started(collection, zip_of(files))
        run_jobs()
        ann = Person.objects.get(external_id="hr-1")
        assert (ann.name, ann.labels, ann.consent) == ("Ann Example", ["staff", "vip"], "given")
        assert str(ann.consent_at) == "2026-01-31"
        assert ann.images.count() == 3
        assert Person.objects.get(name="Bob").images.count() == 1
        assert outcomes(run)["c.jpg"] == "not_in_list"

    def test_list_with_bad_rows_refuses_these(self, collection: Collection) -> None:
        rows = "file,name,consent\na.jpg,Ann,perhaps\nb.jpg,,\ngone.jpg,Bob,\nc.jpg,Cid,given\n"
        files = {"l.csv": rows.encode(), **{f"{n}.jpg": photo(ord(n)) for n in "abc"}}
        run = started(collection, zip_of(files))
        run_jobs()
        assert outcomes(run) == {
            "a.jpg": "bad_row",
            "b.jpg": "bad_row",
            "gone.jpg": "file_missing",
            "c.jpg": "accepted",
        }
        assert "consent" in ImportItem.objects.get(path="a.jpg").message

    @pytest.mark.parametrize(
        "text",
        ["file,nickname\na.jpg,A\n", "name\nAnn\n", "file,name\na.jpg,Ren\xe9", ""],
    )
    def test_list_that_cannot_be_read_fails_the_import(
        self, collection: Collection, text: str
    ) -> None:
        run = started(collection, zip_of({"l.csv": text.encode("latin-1"), "a.jpg": photo(1)}))
        run_jobs()
        run.refresh_from_db()
        job = Job.objects.get(kind="import")
        assert (job.state, job.error_code) == (Job.State.FAILED, "bad_list")
        assert (run.state, stored_files()) == (ImportRun.State.OVER, set())

    def test_list_with_paths_of_empty_parts_is_read(self, collection: Collection) -> None:
        files = {
            "./l.csv": b"file,name\na.jpg,Ann\nb.jpg,Bob\n",
            "./a.jpg": photo(1),
            "b.jpg": photo(2),
        }
        run = started(collection, zip_of(files))
        run_jobs()
        assert outcomes(run) == {"a.jpg": "accepted", "b.jpg": "accepted"}

    def test_list_without_a_header_leaves_no_name_in_messages(self, collection: Collection) -> None:
        text = b"a.jpg,Ann Example\nb.jpg,Bob Example\n"
        run = started(collection, zip_of({"l.csv": text, "a.jpg": photo(1)}))
        run_jobs()
        run.refresh_from_db()
        job = Job.objects.get(kind="import")
        assert "2 unknown columns" in run.refusal_message
        assert "example" not in (run.refusal_message + job.message + job.log).lower()


class TestOverruled:
    @pytest.mark.parametrize(
        ("path", "data"),
        [("Bob/two.jpg", photo(2, 3)), ("Bob/ann.jpg", photo(1, looks=5))],
    )
    def test_refused_face_is_enrolled_after_all(
        self, collection: Collection, path: str, data: bytes
    ) -> None:
        run = started(collection, zip_of({"Ann/1.jpg": photo(1), path: data}))
        run_jobs()
        item = run.items.get(path=path)
        assert item.may_be_overruled
        item_enrol(item=item, actor=ACTOR)
        item.refresh_from_db()
        assert (item.state, item.code) == (ImportItem.State.ENROLLED, "accepted")
        assert item.person is not None
        assert item.person.name == "Bob"
        assert item.person.images.get() == item.image
        assert AuditEntry.objects.filter(action="import.overrule").count() == 1
        assert_consistent(collection)
        with pytest.raises(ServiceError, match="cannot be overruled"):
            item_enrol(item=item, actor=ACTOR)

    def test_photo_without_a_face_is_not_enrolled_after_all(self, collection: Collection) -> None:
        run = started(collection, zip_of({"Ann/1.jpg": photo(1), "Ann/none.jpg": photo()}))
        run_jobs()
        with pytest.raises(ServiceError) as refused:
            item_enrol(item=run.items.get(path="Ann/none.jpg"), actor=ACTOR)
        assert refused.value.code == "not_overruled"


class TestPerson:
    """People who are erased or merged before, during and after an import of their photos."""

    def test_erased_person_leaves_no_trace_in_reports(self, collection: Collection) -> None:
        run = started(collection, zip_of({"Ann/two.jpg": photo(1, 2), "Ann/ok.jpg": photo(1)}))
        run_jobs()
        person_erase(person=Person.objects.get(), actor=ACTOR)
        assert stored_files() == set()
        for item in run.items.all():
            assert (item.path, item.who, item.person_key, item.picture.name) == ("", {}, "", "")
            assert item.code in ("several_faces", "accepted")

    def test_person_erased_while_the_import_runs_is_not_enrolled_again(
        self, collection: Collection, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = started(collection, people_zip(people=2, photos=3))
        find, calls = engine.find, []

        def erasing(*args: Any, **kwargs: Any) -> Any:
            calls.append(1)
            if len(calls) == 2:
                person_erase(person=Person.objects.get(name="Person 0"), actor=ACTOR)
            return find(*args, **kwargs)

        monkeypatch.setattr(engine, "find", erasing)
        run_jobs()
        assert [person.name for person in Person.objects.all()] == ["Person 1"]
        codes = list(run.items.order_by("number").values_list("code", flat=True))
        assert codes == ["accepted", "person_erased", "person_erased", *["accepted"] * 3]
        assert_consistent(collection)

    def test_archive_of_a_running_import_holds_no_photo_of_an_erased_person(
        self, collection: Collection, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tests.recognition.bulk.zips.PIECE_BYTES", 1000)
        photos = {f"{name}/{n}.jpg": photo(who, looks=n) for who, name in ((1, "Ann"), (2, "Bob"))
                  for n in range(3)}  # fmt: skip
        run = started(collection, zip_of(photos))
        find, calls = engine.find, []

        def erasing(*args: Any, **kwargs: Any) -> Any:
            calls.append(1)
            if len(calls) == 2:
                person_erase(person=Person.objects.get(name="Ann"), actor=ACTOR)
                assert run.archive is not None
                stored = b"".join(chunks_of(run.archive))
                held = {path for path, data in photos.items() if data in stored}
                assert held == {"Bob/0.jpg", "Bob/1.jpg", "Bob/2.jpg"}
            return find(*args, **kwargs)

        monkeypatch.setattr(engine, "find", erasing)
        run_jobs()
        assert Person.objects.get().name == "Bob"
        assert FaceImage.objects.count() == 3

    def test_person_erased_before_the_import_reaches_the_photos_is_not_enrolled_again(
        self, collection: Collection, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The archive names the person as it would find them: by name, or by external id."""
        make_person(collection, name="Cy X", external_id="c-1")
        text = "file,name,external_id\na.jpg,Ann,\nc.jpg,,c-1\nd.jpg,Cy X,\ne.jpg,Cy X,e-1\n"
        names = ("a.jpg", "c.jpg", "d.jpg", "e.jpg")
        files = {name: photo(n) for n, name in enumerate(names, start=1)}
        run = started(collection, zip_of({"list.csv": text.encode(), **files}))
        find, calls = engine.find, []

        def erasing(*args: Any, **kwargs: Any) -> Any:
            calls.append(1)
            if len(calls) == 1:
                person_erase(person=Person.objects.get(name="Cy X"), actor=ACTOR)
            return find(*args, **kwargs)

        monkeypatch.setattr(engine, "find", erasing)
        run_jobs()
        codes = list(run.items.order_by("number").values_list("code", flat=True))
        assert codes == ["accepted", "person_erased", "person_erased", "accepted"]

    def test_erasure_removes_a_running_archive_that_cannot_be_read(
        self, collection: Collection
    ) -> None:
        run = started(collection, zip_of({"Ann/1.jpg": photo(1), "Ann/2.jpg": photo(1, looks=2)}))
        ann = make_person(collection, name="Ann")
        item = run.items.create(number=9, path="Ann/1.jpg", person=ann, person_key="folder:Ann",
                                places=[[0, 100]])  # fmt: skip
        assert run.archive is not None
        piece = run.archive.pieces.get()
        with default_storage.open(str(piece.file.name), "r+b") as file:
            file.truncate(10)
        person_erase(person=ann, actor=ACTOR)
        item.refresh_from_db()
        assert (item.path, stored_files()) == ("", set())

    def test_items_follow_a_merge(self, collection: Collection) -> None:
        run = started(collection, zip_of({"Ann/1.jpg": photo(1)}))
        run_jobs()
        into = make_person(collection, name="Anne")
        person_merge(into=into, person=Person.objects.get(name="Ann"), actor=ACTOR)
        assert run.items.get().person == into


def test_engine_that_is_busy_is_waited_for(
    collection: Collection, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        engine.is_busy = len(pauses) < 3

    monkeypatch.setattr("recognition.bulk.services.photos.time.sleep", sleep)
    engine.is_busy = True
    started(collection, zip_of({"Ann/1.jpg": photo(1)}))
    run_jobs()
    assert FaceImage.objects.count() == 1
    assert len(pauses) == 3
    assert {ask.priority for ask in engine.asks} == {"bulk"}


def test_photo_too_large_is_not_unpacked_beyond_the_limit(
    collection: Collection, settings: Any
) -> None:
    settings.MAX_IMAGE_MB = 1
    run = started(collection, zip_of({"Ann/1.jpg": b"\xff\xd8\xff" + bytes(2 * 2**20)}))
    run_jobs()
    assert outcomes(run) == {"Ann/1.jpg": "image_too_large"}


def test_broken_photos_are_refused_one_by_one(collection: Collection) -> None:
    enrol(make_person(collection), 9)
    kinds = (pictures.truncated, pictures.garbled, pictures.animated, pictures.svg)
    files = {f"Ann/{kind.__name__}.jpg": kind(photo(1)) for kind in kinds}
    run = started(collection, zip_of(files))
    run_jobs()
    assert set(outcomes(run).values()).isdisjoint({"accepted", "pending"})
    assert Job.objects.get(kind="import").state == Job.State.DONE
