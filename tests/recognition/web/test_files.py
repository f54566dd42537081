"""Files that no row names are swept; others stay."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from unittest.mock import Mock

import pytest
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.files.base import ContentFile
from django.db import transaction
from django.utils import timezone

from recognition.events.services.orphans import sweep_orphans
from recognition.events.services.upkeep import upkeep
from recognition.people.models import FaceImage, Person
from recognition.web.errors import ServiceError
from recognition.web.files import NewFiles, remove_after_commit
from recognition.web.identifiers import uuid7
from tests.factories import enrol, make_collection, make_event, make_person
from tests.fakes import FakeEngine
from tests.recognition.storage import named_files, stored_files

pytestmark = pytest.mark.django_db


def _put(name: str, *, age_s: float = 0) -> str:
    path = Path(settings.MEDIA_ROOT) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"picture")
    then = time.time() - age_s
    os.utime(path, (then, then))
    return name


def test_pictures_are_readable_by_the_owner_alone(engine: FakeEngine, person: Person) -> None:
    (image,) = enrol(person, 1)
    path = Path(image.file.path)
    assert path.stat().st_mode & 0o777 == 0o600
    root = Path(settings.MEDIA_ROOT)
    folders = [path.parent, path.parent.parent, root]
    assert [folder.stat().st_mode & 0o777 for folder in folders] == [0o700] * 3
    assert str(person.pk) not in str(path)


def test_files_left_by_a_crash_are_swept(engine: FakeEngine) -> None:
    person = make_person(make_collection(keeps_originals=True))
    enrol(person, 1)
    make_event(person=person)
    orphans = {
        _put(f"faces/0a/{uuid7()}.jpg", age_s=3600),
        _put(f"originals/0a/{uuid7()}_k2Hs81a.jpg", age_s=3600),
        _put(f"events/0a/{uuid7()}-face.jpg", age_s=3600),
        # A second file of a row that names another one: the picture was replaced.
        _put(f"events/0a/{person.events.get().pk}-face_old.jpg", age_s=3600),
    }
    fresh = _put(f"faces/0a/{uuid7()}.jpg", age_s=5)
    foreign = {_put("faces/readme.txt", age_s=9999), _put("other/x.jpg", age_s=9999)}
    for name in named_files():
        _put(name, age_s=9999)
    assert sweep_orphans() == len(orphans)
    assert stored_files() == named_files() | {fresh} | foreign
    assert sweep_orphans(grace_s=0) == 1
    assert fresh not in stored_files()


def test_sweeping_goes_through_more_than_one_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recognition.events.services.orphans._BATCH", 2)
    for _ in range(5):
        _put(f"faces/0a/{uuid7()}.jpg", age_s=3600)
    assert sweep_orphans() == 5
    assert not stored_files()


def test_the_pictures_of_another_database_are_left_alone(
    engine: FakeEngine, person: Person, caplog: pytest.LogCaptureFixture
) -> None:
    enrol(person, 1)
    for _ in range(60):
        _put(f"faces/0a/{uuid7()}.jpg", age_s=3600)
    before = stored_files()
    assert sweep_orphans(grace_s=-60) == 0
    assert stored_files() == before
    assert "right database" in caplog.text


def test_sweeping_without_a_folder_does_nothing() -> None:
    assert sweep_orphans() == 0


def test_new_files_are_removed_after_a_failure(person: Person) -> None:
    image = FaceImage(person=person)
    with pytest.raises(RuntimeError), NewFiles() as files:
        files.write(image.file, b"face")
        files.write(image.original, b"whole")
        assert stored_files() == {image.file.name, image.original.name}
        raise RuntimeError
    assert not stored_files()
    with NewFiles() as files:
        files.write(image.file, b"face")
    assert Path(image.file.path).read_bytes() == b"face"


@pytest.mark.parametrize("stage", ["write", "flush"])
def test_a_full_disk_is_told_and_leaves_no_piece_of_a_file(
    person: Person, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")

    class CutOff(ContentFile):
        def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
            yield b"fa"
            raise full

    if stage == "write":
        monkeypatch.setattr("recognition.web.files.ContentFile", CutOff)
    else:
        monkeypatch.setattr(os, "fsync", Mock(side_effect=full))
    with pytest.raises(ServiceError) as refused, NewFiles() as files:
        files.write(FaceImage(person=person).file, b"face")
    assert (refused.value.code, refused.value.status) == ("storage_full", 507)
    assert not stored_files()


@pytest.mark.django_db(transaction=True)
def test_files_are_removed_after_the_commit_and_not_before() -> None:
    name = _put("faces/0a/x.jpg")
    with transaction.atomic():
        assert remove_after_commit([name, "", None, name]) == 1
        assert stored_files() == {name}
    assert not stored_files()
    _put(name)
    with pytest.raises(RuntimeError), transaction.atomic():
        remove_after_commit([name])
        raise RuntimeError
    assert stored_files() == {name}


def test_upkeep_sweeps_and_prunes(engine: FakeEngine, person: Person) -> None:
    enrol(person, 1)
    _put(f"faces/0a/{uuid7()}.jpg", age_s=3600)
    now = timezone.now()
    for name, until in (("over", now - timedelta(seconds=1)), ("open", now + timedelta(days=1))):
        Session.objects.create(session_key=name, session_data="", expire_date=until)
    for days in (91, 89):
        attempt = {"username": f"u{days}", "ip_address": "192.0.2.1", "user_agent": "x"}
        rows = [
            AccessAttempt.objects.create(**attempt, failures_since_start=1),
            AccessLog.objects.create(**attempt),
            AccessFailureLog.objects.create(**attempt),
        ]
        for row in rows:
            type(row).objects.filter(pk=row.pk).update(attempt_time=now - timedelta(days=days))
    assert upkeep() == {
        "camera_minutes": 0,
        "clips": 0,
        "events": 0,
        "recordings": 0,
        "files": 1,
        "snapshots": 0,
        "snapshots_written": 0,
        "gallery_changes": 0,
        "imports": 0,
        "idempotency_records": 0,
        "jobs": 0,
        "notices": 0,
        "sessions": 1,
        "streams": 0,
        "sign_ins": 3,
        "deciders": 0,
        "model_changes": 0,
        "gallery_processes": 0,
        "models": 0,
        "training": 0,
    }
    for model in (AccessAttempt, AccessLog, AccessFailureLog):
        assert model.objects.get().username == "u89"
    assert Session.objects.get().session_key == "open"
