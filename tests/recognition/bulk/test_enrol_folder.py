"""`manage.py enrol_folder`."""

from __future__ import annotations

import csv
import signal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from recognition.bulk.models import Archive, ImportRun, Piece
from recognition.bulk.services import archives, folders
from recognition.jobs.models import Job
from recognition.people.models import Collection, FaceImage, Person
from tests.fakes import FakeEngine, photo
from tests.recognition.bulk.zips import people_zip
from tests.recognition.jobs.runs import run_jobs
from tests.recognition.storage import assert_consistent, stored_files

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _engine(engine: FakeEngine) -> None:
    """Use the fake engine."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for person in (1, 2):
        place = tmp_path / "staff" / f"Person {person}"
        place.mkdir(parents=True)
        for looks in range(3):
            (place / f"{looks}.jpg").write_bytes(photo(person, looks=looks))
    (tmp_path / "staff" / "Person 1" / "none.jpg").write_bytes(photo())
    return tmp_path / "staff"


def run(*arguments: Any, **options: Any) -> str:
    out = StringIO()
    call_command("enrol_folder", *map(str, arguments), stdout=out, **options)
    return out.getvalue()


def test_folder_is_enrolled_with_a_report(
    collection: Collection, folder: Path, tmp_path: Path
) -> None:
    told = run("Main", folder, report=tmp_path / "report.csv")
    assert "6 enrolled" in told
    assert "1 no_face" in told
    assert {person.name for person in Person.objects.all()} == {"Person 1", "Person 2"}
    rows = list(csv.DictReader((tmp_path / "report.csv").open()))
    assert sorted(row["outcome"] for row in rows) == [*["enrolled"] * 6, "refused"]
    assert ImportRun.objects.get().created_by == "system"
    assert_consistent(collection)


@pytest.mark.parametrize("is_zip", [False, True])
def test_large_folder_comes_in_many_pieces(
    collection: Collection,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_zip: bool,
) -> None:
    for module in (archives, folders):
        monkeypatch.setattr(module, "PIECE_BYTES", 1000)
    (tmp_path / "a.zip").write_bytes(people_zip())
    run("Main", tmp_path / "a.zip" if is_zip else folder, no_wait=True)
    assert Piece.objects.count() > 10
    run_jobs()
    assert FaceImage.objects.count() == 6


def test_zip_is_enrolled_by_command(collection: Collection, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(people_zip())
    assert "6 enrolled" in run(collection.pk, tmp_path / "a.zip")


def test_folder_is_left_to_the_workers(collection: Collection, folder: Path) -> None:
    told = run("Main", folder, no_wait=True)
    assert "left to the site's workers" in told
    assert not FaceImage.objects.exists()
    run_jobs()
    assert FaceImage.objects.count() == 6


def test_command_that_is_stopped_is_resumed(
    collection: Collection, folder: Path, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    find, calls = engine.find, []

    def interrupted(*args: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            signal.raise_signal(signal.SIGINT)
        return find(*args, **options)

    monkeypatch.setattr(engine, "find", interrupted)
    told = run("Main", folder)
    assert "2 enrolled" in told or "3 enrolled" in told
    job = Job.objects.get(kind="import")
    assert (job.state, job.attempts) == (Job.State.QUEUED, 0)
    assert "6 enrolled" in run("Main", resume=ImportRun.objects.get().pk)
    assert_consistent(collection)


def test_import_is_cancelled_by_command(collection: Collection, folder: Path) -> None:
    run("Main", folder, no_wait=True)
    told = run("Main", cancel=ImportRun.objects.get().pk)
    assert "7 cancelled" in told or "import" in told
    assert stored_files() == set()


@pytest.mark.parametrize("content", [b"no zip" * 10, b""])
def test_file_that_is_no_archive_is_refused_and_leaves_nothing(
    collection: Collection, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(CommandError):
        run("Main", tmp_path / "a.zip")
    assert not ImportRun.objects.exists()
    assert not Archive.objects.exists()
    assert stored_files() == set()


def test_path_that_is_not_there_is_refused(collection: Collection, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="that exists"):
        run("Main", tmp_path / "nothing")
