"""The job of a training run through faults: of memory, disk, pictures, and its model's check."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ml_engine.types import ModelRefused, ModelUnfinished, WeightsUnavailable
from recognition.jobs.models import Job
from recognition.jobs.services import job_retry
from recognition.people.models import Collection, FaceImage, Person
from recognition.people.services import own_models
from recognition.people.services.persons import person_erase
from recognition.training.models import TrainingRun
from recognition.training.services import running
from recognition.training.services.running import training_root
from recognition.training.services.runs import (
    training_run_cancel,
    training_sweep,
)
from tests.factories import ACTOR
from tests.recognition.jobs.runs import run_jobs
from tests.recognition.training import children
from tests.recognition.training.conftest import SetChild
from tests.recognition.training.runs import (
    again_now,
    during,
    job_of,
    seeing_camera,
    start,
)

pytestmark = [pytest.mark.django_db, pytest.mark.only_on("MariaDB")]


@pytest.mark.parametrize(
    ("ends", "code"),
    [
        (children.DISK_FULL, "storage_full"),
        (children.KILLED, "training_killed"),
        (children.LEFT, "training_ended"),
    ],
)
def test_training_is_tried_again_after(
    collection: Collection, set_child: SetChild, ends: str, code: str
) -> None:
    set_child(ends=ends)
    run = start(collection)
    run_jobs()
    assert (job_of(run).state, job_of(run).error_code) == (Job.State.QUEUED, code)
    set_child()
    again_now()
    assert job_of(run).state == Job.State.DONE


def test_training_that_is_killed_a_second_time_needs_more_memory(
    collection: Collection, set_child: SetChild
) -> None:
    set_child(ends=children.KILLED)
    run = start(collection)
    run_jobs()
    again_now()
    assert (job_of(run).state, job_of(run).error_code) == ("failed", "training_needs_memory")
    assert "more memory" in run.message
    job_retry(job=job_of(run), actor=ACTOR)
    set_child()
    run_jobs()
    assert (job_of(run).state, run.state) == ("done", "done")


def test_training_without_room_on_the_disk_waits(
    collection: Collection, set_child: SetChild, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    kept_free = settings.KEEP_FREE_BYTES
    settings.KEEP_FREE_BYTES = 2**60
    run = start(collection)
    run_jobs()
    assert (job_of(run).state, job_of(run).error_code) == ("queued", "storage_full")
    assert run.step == 0
    settings.KEEP_FREE_BYTES = kept_free
    during(monkeypatch, 1, lambda: setattr(settings, "KEEP_FREE_BYTES", 2**60))
    again_now()
    assert (job_of(run).state, job_of(run).error_code) == ("queued", "storage_full")
    assert run.step > 0
    settings.KEEP_FREE_BYTES = kept_free
    again_now()
    assert job_of(run).state == "done"


def test_training_without_room_for_its_faces_is_tried_again(
    collection: Collection, set_child: SetChild, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(running, "faces_collected", full)
    run = start(collection)
    run_jobs()
    assert (job_of(run).state, job_of(run).error_code) == (Job.State.QUEUED, "storage_full")


def test_training_that_is_refused_fails_with_its_reason_and_can_be_started_again(
    collection: Collection, set_child: SetChild
) -> None:
    set_child(ends=children.REFUSED)
    run = start(collection)
    run_jobs()
    assert (job_of(run).state, job_of(run).error_code) == (Job.State.FAILED, "training_failed")
    assert (run.state, run.message) == ("failed", "The picture becomes too small.")
    set_child()
    again = job_retry(job=job_of(run), actor=ACTOR)
    run_jobs()
    assert job_of(run) == again
    assert (run.state, run.message) == ("done", "")


def test_training_that_is_started_again_is_open_and_can_be_cancelled(
    collection: Collection, set_child: SetChild
) -> None:
    set_child(ends=children.KILLED)
    run = start(collection)
    run_jobs()
    (folder,) = (training_root() / str(run.pk)).iterdir()
    Job.objects.update(state="failed", error_code="training_ended")
    assert training_sweep() == 1
    job_retry(job=job_of(run), actor=ACTOR)
    assert Job.objects.filter(kind="training").count() == 1
    fresh = TrainingRun.objects.get(pk=run.pk)
    assert fresh.state_now == "open"
    assert (training_sweep(), folder.exists()) == (0, True)
    training_run_cancel(run=fresh, actor=ACTOR)
    assert (job_of(run).state, folder.exists()) == ("cancelled", False)


def break_picture(image: FaceImage) -> None:
    Path(image.file.path).write_bytes(b"no picture")


def lose_picture(image: FaceImage) -> None:
    Path(image.file.path).unlink()


@pytest.mark.parametrize("spoil", [break_picture, lose_picture])
def test_picture_that_cannot_be_read_is_left_out(
    collection: Collection, set_child: SetChild, spoil: Callable[[FaceImage], None]
) -> None:
    spoil(FaceImage.objects.all()[0])
    run = start(collection)
    run_jobs()
    assert job_of(run).state == Job.State.DONE, job_of(run).log
    assert (run.people, run.pictures) == (8, 15)


def test_checkpoint_stays_if_a_file_is_missing(
    collection: Collection, crowd: list[Person], set_child: SetChild
) -> None:
    set_child(ends=children.LEFT)
    run = start(collection)
    run_jobs()
    (folder,) = (training_root() / str(run.pk)).iterdir()
    lost = Path(FaceImage.objects.all()[0].file.path)
    away = lost.rename(lost.with_suffix(".away"))
    again_now()
    assert folder.exists()
    away.rename(lost)
    person_erase(person=crowd[0], actor=ACTOR)
    again_now()
    assert not folder.exists()


def test_checkpoint_of_a_person_who_left_goes_although_a_file_is_missing(
    collection: Collection, crowd: list[Person], set_child: SetChild
) -> None:
    set_child(ends=children.LEFT)
    run = start(collection)
    run_jobs()
    (folder,) = (training_root() / str(run.pk)).iterdir()
    lose_picture(FaceImage.objects.exclude(person=crowd[0])[0])
    person_erase(person=crowd[0], actor=ACTOR)
    again_now()
    assert not folder.exists()


def test_training_waits_for_pictures_that_are_all_missing(
    collection: Collection, set_child: SetChild
) -> None:
    run = start(collection)
    for image in FaceImage.objects.all():
        lose_picture(image)
    run_jobs()
    assert (job_of(run).state, job_of(run).error_code) == ("queued", "storage_gone")


def test_adaptation_waits_for_a_disk_that_is_gone(
    collection: Collection, set_child: SetChild, settings: Any, tmp_path: Path
) -> None:
    camera = seeing_camera(collection)
    run = start(collection, task="adapt", camera=camera)
    settings.MEDIA_ROOT = str(tmp_path / "mount")
    run_jobs()
    assert (job_of(run).state, job_of(run).error_code) == ("queued", "storage_gone")


def test_plain_file_in_the_folder_of_a_run_is_no_hindrance(
    collection: Collection, set_child: SetChild
) -> None:
    run = start(collection)
    folder = training_root() / str(run.pk)
    folder.mkdir(parents=True)
    (folder / ".nfs0001").write_bytes(b"")
    run_jobs()
    assert job_of(run).state == Job.State.DONE, job_of(run).log


@pytest.mark.parametrize(
    ("error", "state"),
    [(ModelRefused("It is no network."), "failed"), (ModelUnfinished("It took long."), "queued")],
)
def test_finished_training_is_kept_if_its_model_is_not(
    collection: Collection,
    set_child: SetChild,
    monkeypatch: pytest.MonkeyPatch,
    error: ModelRefused,
    state: str,
) -> None:
    def refused(*arguments: Any) -> None:
        raise error

    monkeypatch.setattr(own_models, "convert_file", refused)
    run = start(collection)
    run_jobs()
    assert (job_of(run).state, job_of(run).error_code) == (state, error.code)
    training_sweep()
    folder = training_root() / str(run.pk)
    assert folder.exists()
    Job.objects.update(state="failed")
    TrainingRun.objects.update(state="failed", ended_at="2020-01-01T00:00:00Z")
    training_sweep()
    assert not folder.exists()


def test_adaptation_waits_for_a_preset_that_cannot_be_fetched(
    collection: Collection, set_child: SetChild, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*arguments: Any) -> None:
        raise WeightsUnavailable("The index does not answer.")

    monkeypatch.setattr(running, "fetch", away)
    camera = seeing_camera(collection)
    run = start(collection, task="adapt", camera=camera)
    run_jobs()
    assert (job_of(run).state, job_of(run).error_code) == ("queued", "weights_unavailable")


def test_upkeep_closes_runs_that_lost_their_job_and_removes_their_folders(
    collection: Collection, set_child: SetChild
) -> None:
    run, other = start(collection), start(collection)
    for each in (run, other):
        (training_root() / str(each.pk) / "abc").mkdir(parents=True)
    Job.objects.filter(pk=job_of(run).pk).update(
        state="failed", message="Its worker ended.", error_code="worker_lost"
    )
    run = TrainingRun.objects.get(pk=run.pk)
    assert run.state_now == "failed"
    assert training_sweep() == 1
    run.refresh_from_db()
    assert (run.state, run.message) == ("failed", "Its worker ended.")
    # It may be started again.
    assert (training_root() / str(run.pk)).exists()
    TrainingRun.objects.filter(pk=run.pk).update(ended_at="2020-01-01T00:00:00Z")
    assert training_sweep() == 1
    assert [path.name for path in training_root().iterdir()] == [str(other.pk)]
    TrainingRun.objects.filter(pk=other.pk).delete()
    assert training_sweep() == 1
    assert not list(training_root().iterdir())
