"""Problems of a disk, found by errors of files and databases; and the reserve of the database."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.db import DatabaseError, IntegrityError, OperationalError, connection

from recognition.people.models import Person
from recognition.web import database_room, storage
from recognition.web.database_room import DatabaseRoom
from recognition.web.errors import ServiceError
from recognition.web.files import NewFiles
from recognition.web.process import process
from recognition.web.storage import Problem, media_problem, problem_of
from recognition.web.transactions import in_transaction
from tests.factories import enrol
from tests.fakes import FakeEngine


def _of_sqlite(code: int) -> DatabaseError:
    error = OperationalError("as Django says it")
    cause = sqlite3.OperationalError("as SQLite says it")
    cause.sqlite_errorcode = code
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (OSError(errno.ENOSPC, "full"), Problem.FULL),
        (OSError(errno.EDQUOT, "quota"), Problem.FULL),
        (OSError(errno.EROFS, "read-only"), Problem.READ_ONLY),
        (PermissionError(errno.EACCES, "not mine"), Problem.READ_ONLY),
        (OSError(errno.EIO, "broken"), Problem.GONE),
        (OSError(errno.ESTALE, "the network's folder"), Problem.GONE),
        (ConnectionRefusedError(errno.ECONNREFUSED, "no disk"), None),
        (FileNotFoundError(errno.ENOENT, "one file"), None),
        (_of_sqlite(sqlite3.SQLITE_FULL), Problem.FULL),
        (_of_sqlite(sqlite3.SQLITE_READONLY), Problem.READ_ONLY),
        (_of_sqlite(sqlite3.SQLITE_READONLY_DBMOVED), Problem.READ_ONLY),
        (_of_sqlite(sqlite3.SQLITE_BUSY), None),
        (OperationalError(1114, "The table 'x' is full"), Problem.FULL),
        (OperationalError(1021, "Disk full (/tmp)"), Problem.FULL),
        (OperationalError(1026, 'Error writing file (Errcode: 28 "No space left")'), Problem.FULL),
        (DatabaseError(3, "Error writing file (errno: 28) (Errcode: 30 x)"), Problem.READ_ONLY),
        (OperationalError(1290, "The server runs with --read-only"), Problem.READ_ONLY),
        (OperationalError(1836, "Running in read-only mode"), Problem.READ_ONLY),
        (OperationalError(2002, "Can't connect"), None),
        (IntegrityError(1062, "Duplicate entry"), None),
        (RuntimeError("something else"), None),
    ],
)
def test_error_is_told_apart_by_what_happened(error: Exception, problem: Problem | None) -> None:
    assert problem_of(error) == problem


def test_io_error_of_sqlite_is_what_its_folder_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(storage, "database_folder", lambda: tmp_path)
    error = _of_sqlite(sqlite3.SQLITE_IOERR_WRITE)
    assert problem_of(error) is None
    monkeypatch.setattr(storage, "database_folder", lambda: tmp_path / "away")
    assert problem_of(error) == Problem.GONE


@pytest.mark.django_db
def test_folder_of_pictures_is_made_once_and_missed_later(
    engine: FakeEngine, person: Person, settings: object
) -> None:
    root = Path(settings.MEDIA_ROOT)  # type: ignore[attr-defined]
    assert not root.exists()
    assert media_problem() is None
    enrol(person, 1)
    root.rename(root.with_name("away"))
    assert media_problem() == Problem.GONE
    root.mkdir()
    assert media_problem() == Problem.GONE, "where a disk is mounted there is a folder without it"
    assert list(root.iterdir()) == []
    root.rmdir()
    root.with_name("away").rename(root)
    assert media_problem() is None


@pytest.mark.django_db
def test_picture_is_refused_before_the_last_byte_is_taken(
    person: Person, settings: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = SimpleNamespace(f_flag=0, f_files=9, f_favail=9, f_frsize=1, f_bavail=2**20)
    monkeypatch.setattr(storage.os, "statvfs", lambda folder: room)
    with pytest.raises(ServiceError) as refused, NewFiles() as files:
        files.write(person.images.model().file, b"picture")
    assert (refused.value.status, refused.value.code) == (507, "storage_full")


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[DatabaseRoom]:
    if connection.vendor != "sqlite":
        pytest.skip("a reserve is SQLite's")
    monkeypatch.setattr(database_room, "database_folder", lambda: tmp_path)
    yield process().part(DatabaseRoom)


def _free(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    told = SimpleNamespace(f_flag=0, f_files=0, f_favail=0, f_frsize=1, f_bavail=count)
    monkeypatch.setattr(storage.os, "statvfs", lambda folder: told)


def test_reserve_is_let_go_when_the_disk_is_full_and_taken_back_later(
    room: DatabaseRoom, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    reserve = tmp_path / "reserve"
    room.look()
    assert reserve.stat().st_size == database_room.RESERVE_BYTES
    assert reserve.stat().st_blocks * 512 >= database_room.RESERVE_BYTES, "it is not a hole"
    assert room.problem() is None
    _free(monkeypatch, 1000)
    room.look()
    assert not reserve.exists()
    _free(monkeypatch, database_room.RESERVE_BYTES)
    room.look()
    assert room.problem() == Problem.FULL, "what was let go is for making room"
    monkeypatch.undo()
    monkeypatch.setattr(database_room, "database_folder", lambda: tmp_path)
    room.look()
    assert reserve.exists()
    assert room.problem() is None


@pytest.mark.django_db(transaction=True)
def test_transaction_that_met_a_full_disk_is_tried_again_with_the_reserve(
    room: DatabaseRoom,
) -> None:
    tries = 0

    def delete_something() -> str:
        nonlocal tries
        tries += 1
        raise _of_sqlite(sqlite3.SQLITE_FULL) if tries != 2 else StopIteration

    room.look()
    with pytest.raises(StopIteration):
        in_transaction(delete_something)
    with pytest.raises(OperationalError):
        in_transaction(delete_something)
    assert tries == 3, "there is one reserve"
