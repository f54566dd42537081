"""The job of a training run: what comes of it, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recognition.jobs.models import Job
from recognition.jobs.services import job_retry
from recognition.people.models import Collection, ModelVersion, Person, TrainedPerson
from recognition.people.services.own_models import collection_vectors
from recognition.people.services.persons import person_erase, person_merge, person_update
from recognition.training.models import TrainingRun
from recognition.training.services import running
from recognition.training.services.faces import LEAST_CAMERA_FACES
from recognition.training.services.running import training_root
from recognition.training.services.runs import (
    training_run_cancel,
    training_run_start,
    training_sweep,
)
from recognition.web.errors import ServiceError
from tests.factories import ACTOR, enrol, make_camera, make_event, make_person
from tests.fakes import photo
from tests.recognition.jobs.runs import run_jobs
from tests.recognition.training import children
from tests.recognition.training.conftest import SetChild

pytestmark = pytest.mark.django_db


def start(collection: Collection, **values: Any) -> TrainingRun:
    options = {"others": 2} | values.pop("options", {})
    fields: dict[str, Any] = {"task": "train", "name": "ours", "collection": collection} | values
    return training_run_start(actor=ACTOR, options=options, **fields)


def during(monkeypatch: pytest.MonkeyPatch, step: int, act: Callable[[], object]) -> None:
    """Do something after the progress of this step was stored, once."""
    store = running._store
    is_done: list[bool] = []

    def stored(attempt: Any, progress: Any) -> None:
        store(attempt, progress)
        if progress["step"] == step and not is_done:
            is_done.append(True)
            act()

    monkeypatch.setattr(running, "_store", stored)


def job_of(run: TrainingRun) -> Job:
    run.refresh_from_db()
    assert run.job is not None
    return run.job


def people_of(version: ModelVersion | None) -> set[Any]:
    return set(TrainedPerson.objects.filter(model=version).values_list("person", flat=True))


def test_training_gives_a_model_that_is_not_in_use(
    collection: Collection, crowd: list[Person], set_child: SetChild
) -> None:
    run = start(collection, licence="ours alone")
    assert run_jobs() == 1
    assert job_of(run).state == Job.State.DONE, job_of(run).log
    version = run.model
    assert version is not None
    assert (version.name, version.state, version.licence) == ("ours", "added", "ours alone")
    assert version.training_data == "16 pictures of 8 people of a collection"
    assert version.report["training"]["run"] == str(run.pk)
    assert people_of(version) == {person.pk for person in crowd}
    assert (run.state, run.people, run.pictures, run.step) == ("done", 8, 16, 3)
    assert [point["step"] for point in run.curve] == [1, 2, 3]
    assert run.record == {"code": "abc"}
    assert not list(training_root().iterdir())


def test_people_without_recorded_consent_are_not_trained_on(
    collection: Collection, crowd: list[Person], set_child: SetChild
) -> None:
    Person.objects.filter(pk=crowd[0].pk).update(consent="unknown")
    Person.objects.filter(pk=crowd[1].pk).update(consent="withdrawn")
    Person.objects.filter(pk=crowd[2].pk).update(is_active=False)
    single = make_person(collection, consent="given")
    enrol(single, 20)
    run = start(collection)
    run_jobs()
    run.refresh_from_db()
    assert people_of(run.model) == {person.pk for person in crowd[3:]}


def test_model_is_evaluated_without_the_people_it_was_trained_on(
    collection: Collection, set_child: SetChild
) -> None:
    run = start(collection)
    run_jobs()
    run.refresh_from_db()
    stranger = make_person(collection)
    enrol(stranger, 30)
    assert run.model is not None
    judged = [person for person, _ in collection_vectors(collection.embedder, collection)]
    assert len(set(judged)) == 9
    TrainedPerson.objects.update(model=collection.embedder)
    judged = [person for person, _ in collection_vectors(collection.embedder, collection)]
    assert judged == [str(stranger.pk)]


def test_cancelled_training_leaves_nothing(
    collection: Collection, set_child: SetChild, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_child(steps=10_000)
    run = start(collection)
    during(monkeypatch, 2, lambda: training_run_cancel(run=run, actor=ACTOR))
    run_jobs()
    assert job_of(run).state == Job.State.CANCELLED
    assert (run.state, run.model) == ("cancelled", None)
    assert run.step < 10_000 and run.curve
    assert not ModelVersion.objects.filter(source="file").exists()
    assert not list(training_root().iterdir())


def test_training_that_is_ended_keeps_the_best_so_far(
    collection: Collection, set_child: SetChild, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_child(steps=10_000)
    run = start(collection)
    end = lambda: training_run_cancel(run=run, actor=ACTOR, keep_best=True)  # noqa: E731
    with pytest.raises(ServiceError, match="nothing to keep"):
        end()
    during(monkeypatch, 2, end)
    run_jobs()
    assert job_of(run).state == Job.State.DONE
    assert run.model is not None
    assert 2 <= run.step < 10_000


def test_training_begins_again_without_a_person_who_is_erased(
    collection: Collection,
    crowd: list[Person],
    set_child: SetChild,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gone, withdrawn = crowd[0], crowd[1]
    run = start(collection)
    during(monkeypatch, 1, lambda: person_erase(person=gone, actor=ACTOR))
    run_jobs()
    assert "begins again" in job_of(run).log
    assert people_of(run.model) == {person.pk for person in crowd[1:]}
    assert run.people == 7

    second = start(collection, name="second")
    out = {"consent": Person.Consent.WITHDRAWN}
    during(monkeypatch, 1, lambda: person_update(person=withdrawn, actor=ACTOR, **out))
    run_jobs()
    second.refresh_from_db()
    assert people_of(second.model) == {person.pk for person in crowd[2:]}


def test_person_who_leaves_at_the_last_moment_is_not_in_the_model(
    collection: Collection,
    crowd: list[Person],
    set_child: SetChild,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add = running.model_add
    left: list[Person] = []

    def added(**values: Any) -> ModelVersion:
        if not left:
            left.append(crowd[0])
            # One leaves and one comes: their number is the same.
            Person.objects.filter(pk=crowd[0].pk).update(consent="withdrawn")
            Person.objects.filter(pk=crowd[1].pk).update(consent="given")
        return add(**values)

    Person.objects.filter(pk=crowd[1].pk).update(consent="unknown")
    run = start(collection)
    monkeypatch.setattr(running, "model_add", added)
    run_jobs()
    assert job_of(run).state == Job.State.DONE
    assert people_of(run.model) == {person.pk for person in crowd[1:]}
    assert ModelVersion.objects.filter(source="file").count() == 1


def test_models_of_an_erased_person_are_marked(
    collection: Collection, crowd: list[Person], set_child: SetChild
) -> None:
    run = start(collection)
    run_jobs()
    run.refresh_from_db()
    version = run.model
    assert version is not None
    assert person_erase(person=crowd[0], actor=ACTOR)["trained_models"] == 1
    person_update(person=crowd[1], actor=ACTOR, consent=Person.Consent.WITHDRAWN)
    person_erase(person=crowd[1], actor=ACTOR)
    version.refresh_from_db()
    assert version.people_gone == 2
    assert people_of(version) == {person.pk for person in crowd[2:]}


def test_merged_person_stays_in_the_list_of_trained_people(
    collection: Collection, crowd: list[Person], set_child: SetChild
) -> None:
    run = start(collection)
    run_jobs()
    run.refresh_from_db()
    new = make_person(collection)
    person_merge(into=new, person=crowd[0], actor=ACTOR)
    person_merge(into=crowd[2], person=crowd[1], actor=ACTOR)
    assert people_of(run.model) == {new.pk, *(person.pk for person in crowd[2:])}
    assert run.model is not None
    run.model.refresh_from_db()
    assert run.model.people_gone == 0


def test_training_whose_collection_is_deleted_ends(
    collection: Collection, set_child: SetChild, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_child(steps=10_000)
    run = start(collection)
    job = run.job
    during(monkeypatch, 1, lambda: TrainingRun.objects.filter(pk=run.pk).delete())
    run_jobs()
    assert job is not None
    job.refresh_from_db()
    assert (job.state, job.error_code) == (Job.State.FAILED, "not_found")
    assert not list(training_root().iterdir())


@pytest.mark.parametrize(
    ("ends", "code"),
    [(children.DISK_FULL, "storage_full"), (children.KILLED, "training_ended")],
)
def test_training_is_tried_again_after(
    collection: Collection, set_child: SetChild, ends: str, code: str
) -> None:
    set_child(ends=ends)
    run = start(collection)
    run_jobs()
    assert (job_of(run).state, job_of(run).error_code) == (Job.State.QUEUED, code)
    set_child()
    Job.objects.update(run_after="2020-01-01T00:00:00Z")
    run_jobs()
    assert job_of(run).state == Job.State.DONE


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


def test_adaptation_without_enough_faces_of_the_camera_is_refused(
    collection: Collection, set_child: SetChild
) -> None:
    camera = make_camera(collection)
    make_event(collection, camera=camera)
    run = start(collection, task="adapt", camera=camera)
    run_jobs()
    assert (job_of(run).state, job_of(run).error_code) == ("failed", "too_few_camera_faces")


def test_adaptation_uses_the_faces_that_its_camera_kept(
    collection: Collection, set_child: SetChild
) -> None:
    camera = make_camera(collection)
    for number in range(LEAST_CAMERA_FACES):
        make_event(collection, camera=camera, number=number)
    make_event(collection)
    run = start(collection, task="adapt", camera=camera)
    run_jobs()
    assert job_of(run).state == Job.State.DONE, job_of(run).log
    assert run.model is not None
    assert run.model.training_data.startswith("mobilefacenet, adapted with 16 pictures of 8 people")


def test_folder_of_the_server_is_trained_on(
    crowd: list[Person], set_child: SetChild, tmp_path: Path, settings: Any
) -> None:
    settings.TRAINING_DATA_DIR = tmp_path / "data"
    for number in range(4):
        for looks in range(2):
            path = settings.TRAINING_DATA_DIR / "staff" / f"p{number}" / f"{looks}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(photo(number, looks=looks))
    (settings.TRAINING_DATA_DIR / "staff" / "p0" / "broken.jpg").write_bytes(b"no picture")
    run = training_run_start(task="train", name="ours", folder="staff", actor=ACTOR)
    run_jobs()
    assert job_of(run).state == Job.State.DONE, job_of(run).log
    assert (run.people, run.pictures) == (4, 8)
    assert run.figures == {"data": [0, 0, 1, 1, 2, 2, 3, 3]}
    assert people_of(run.model) == set()
    for name in ("..", "staff/p0", "nothing", "x" * 300, "a\0b"):
        with pytest.raises(ServiceError) as refused:
            training_run_start(task="train", name="ours", folder=name, actor=ACTOR)
        assert refused.value.code == "no_such_folder"


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
    assert [path.name for path in training_root().iterdir()] == [str(other.pk)]
    TrainingRun.objects.filter(pk=other.pk).delete()
    assert training_sweep() == 1
    assert not list(training_root().iterdir())
