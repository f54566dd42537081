"""Imports and exports whose workers are killed at each step, paused, or run twice."""

from __future__ import annotations

import signal
import time
from collections import Counter
from functools import partial

import pytest

from accounts.models import AuditEntry
from recognition.bulk.models import Archive, Export, ImportItem, ImportRun
from recognition.bulk.services.exports import export_chunks, export_start
from recognition.jobs.models import Job
from recognition.people.models import Collection, FaceImage, Person
from tests.databases import pause
from tests.factories import ACTOR, enrol, make_person
from tests.fakes import FakeEngine, photo
from tests.recognition.bulk.zips import outcomes, started, zip_of
from tests.recognition.jobs.workers import LEASE_S, StartWorker, has_ended, wait_for
from tests.recognition.storage import assert_consistent, stored_files

pytestmark = pytest.mark.django_db(transaction=True)

_RUNNING = "recognition.bulk.services.running"
_PHOTOS = "recognition.bulk.services.photos"
_OUTCOMES = "recognition.bulk.services.outcomes"
# In the order of an import: each worker gets further than the one before.
STEPS = (
    f"{_RUNNING}._item:after:3",  # while it is planned
    "recognition.people.services.enrolment._insert:before:1",  # file written, no row
    f"{_PHOTOS}.mark_enrolled:after:1",  # within the transaction
    f"{_PHOTOS}.face_store:after:1",  # committed
    f"{_OUTCOMES}._mark:before:2",  # a refusal whose picture is written
    f"{_RUNNING}._end:before:1",
    f"{_RUNNING}.import_close:after:1",  # within the last transaction
    f"{_RUNNING}._end:after:1",
)


def _photos() -> dict[str, bytes]:
    """Photos of two people, some of which are refused."""
    files = {}
    for person in (1, 2):
        for looks in range(3):
            files[f"P{person}/{looks}.jpg"] = photo(person, looks=looks)
            files[f"P{person}/{looks}-two.jpg"] = photo(person, person + 5, looks=looks)
    return files


def assert_each_photo_once(run: ImportRun, collection: Collection) -> None:
    codes = Counter(outcomes(run).values())
    assert codes == {"accepted": 6, "several_faces": 6}
    assert run.items.count() == len(_photos())
    images = set(FaceImage.objects.values_list("pk", flat=True))
    assert images == set(run.items.exclude(image=None).values_list("image_id", flat=True))
    assert len(images) == 6
    assert sorted(Person.objects.values_list("name", flat=True)) == ["P1", "P2"]
    assert AuditEntry.objects.filter(action="image.enrol").count() == 6
    assert_consistent(collection)
    run.refresh_from_db()
    assert (run.state, run.archive) == (ImportRun.State.OVER, None)
    assert not Archive.objects.exists()


@pytest.mark.only_on("MariaDB")
def test_import_whose_workers_are_killed_at_every_step_does_each_photo_once(
    collection: Collection, start_worker: StartWorker
) -> None:
    run = started(collection, zip_of(_photos()))
    for step in STEPS:
        assert start_worker(KILL_AT=step).wait(60) == -signal.SIGKILL, step
    last = start_worker()
    job = Job.objects.get(kind="import")
    wait_for(lambda: has_ended(job))
    job.refresh_from_db()
    assert last.poll() is None
    # The import had ended already, but the row of the job did not say so yet.
    assert (job.state, job.error_code) == (Job.State.DONE, ""), job.log
    assert job.attempts == len(STEPS) + 1
    assert_each_photo_once(run, collection)


@pytest.mark.only_on("MariaDB")
def test_refused_import_whose_worker_is_killed_after_closing_it_is_told_as_refused(
    collection: Collection, start_worker: StartWorker
) -> None:
    run = started(collection, zip_of({"list.csv": b"name\nAnn\n", "a.jpg": photo(1)}))
    killed = start_worker(KILL_AT=f"{_RUNNING}.import_close:after:1")
    assert killed.wait(60) == -signal.SIGKILL
    start_worker()
    job = Job.objects.get(kind="import")
    wait_for(lambda: has_ended(job))
    job.refresh_from_db()
    run.refresh_from_db()
    assert (job.state, job.error_code) == (Job.State.FAILED, "bad_list"), job.log
    assert "The CSV needs a column file" in job.message
    assert (run.state, run.archive, stored_files()) == (ImportRun.State.OVER, None, set())


def test_two_workers_of_which_one_is_paused_do_each_photo_once(
    collection: Collection, start_worker: StartWorker
) -> None:
    run = started(collection, zip_of(_photos()))
    paused = start_worker(PAUSE_S="0.2")
    wait_for(lambda: run.items.exclude(state=ImportItem.State.PENDING).count() >= 3)
    pause(paused)
    start_worker(PAUSE_S="0.2")
    wait_for(partial(_attempts_are, run, 2))
    time.sleep(LEASE_S)
    paused.send_signal(signal.SIGCONT)
    job = Job.objects.get(kind="import")
    wait_for(lambda: has_ended(job))
    time.sleep(1.0)  # time for what the worker that woke late would still do
    assert_each_photo_once(run, collection)


def _attempts_are(run: ImportRun, attempts: int) -> bool:
    return Job.objects.get(kind="import").attempts == attempts


def test_two_imports_at_once_do_not_double_a_person(
    collection: Collection, start_worker: StartWorker
) -> None:
    runs = [started(collection, zip_of(_photos())) for _ in range(2)]
    start_worker(PAUSE_S="0.02"), start_worker(PAUSE_S="0.02")
    wait_for(lambda: not Job.objects.filter(state__in=Job.OPEN).exists())
    codes = sum((Counter(outcomes(run).values()) for run in runs), Counter())
    assert codes == {"accepted": 6, "duplicate_image": 6, "several_faces": 12}
    assert sorted(Person.objects.values_list("name", flat=True)) == ["P1", "P2"]
    assert_consistent(collection)


def test_photo_that_kills_its_workers_is_refused(
    collection: Collection, start_worker: StartWorker
) -> None:
    run = started(collection, zip_of({"Ann/1.jpg": photo(1), "Ann/2.jpg": photo(1, looks=1)}))
    for _ in range(3):
        worker = start_worker(KILL_AT=f"{_PHOTOS}._look:before:1")
        assert worker.wait(60) == -signal.SIGKILL
    start_worker()
    job = Job.objects.get(kind="import")
    wait_for(lambda: has_ended(job))
    assert outcomes(run) == {"Ann/1.jpg": "worker_lost", "Ann/2.jpg": "accepted"}


def test_export_whose_worker_is_killed_is_written_anew(
    collection: Collection, engine: FakeEngine, start_worker: StartWorker
) -> None:
    for number in range(1, 4):
        enrol(make_person(collection), number)
    export = export_start(collection=collection, has_originals=False, actor=ACTOR)
    step = "recognition.bulk.services.archives.ArchiveWriter.finish:after:1"
    assert start_worker(KILL_AT=step).wait(60) == -signal.SIGKILL
    start_worker()
    job = Job.objects.get(kind="export")
    wait_for(lambda: has_ended(job))
    export = Export.objects.select_related("archive").get(pk=export.pk)
    assert export.archive is not None
    assert sum(map(len, export_chunks(export=export, actor=ACTOR))) == export.archive.size
    assert Archive.objects.count() == 1
    assert_consistent(collection)
    assert len(stored_files()) == 4
